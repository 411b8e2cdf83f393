# Runs bpftool and writes the skeleton only when it succeeded.
execute_process(COMMAND ${BPFTOOL} gen skeleton ${OBJECT} name ${NAME}
  OUTPUT_VARIABLE header RESULT_VARIABLE status ERROR_VARIABLE reason)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "bpftool gen skeleton ${OBJECT}: ${reason}")
endif()
# What clang-tidy finds in bpftool's own code (a leak where an allocation fails) is not ours to mend.
file(WRITE ${OUTPUT} "// NOLINTBEGIN\n${header}// NOLINTEND\n")
