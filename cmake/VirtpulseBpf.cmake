# bpf_object(NAME [COMPILER clang] SOURCES files HEADERS files): compiles each BPF source to an object,
# links them into one, NAME.bpf.o, and makes the skeleton header NAME.skel.h, behind an interface library NAME_skel that carries
# its include path. A function, so that nothing leaks from one call into the next; no shell
# redirection, so that a failed step leaves no half-written header.

find_program(BPF_CLANG NAMES clang clang-14 clang-15 clang-16 clang-17 clang-18 REQUIRED)
find_program(BPF_STRIP NAMES llvm-strip llvm-strip-14 REQUIRED)
find_program(BPFTOOL bpftool HINTS /usr/sbin /sbin REQUIRED)

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(BPF_TARGET_ARCH x86)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set(BPF_TARGET_ARCH arm64)
else()
  message(FATAL_ERROR "no BPF target architecture known for ${CMAKE_SYSTEM_PROCESSOR}")
endif()

function(bpf_object name)
  cmake_parse_arguments(A "" "COMPILER" "SOURCES;HEADERS" ${ARGN})
  if(NOT A_COMPILER)
    set(A_COMPILER ${BPF_CLANG})
  endif()
  set(out ${CMAKE_CURRENT_BINARY_DIR})
  list(TRANSFORM A_HEADERS PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/ OUTPUT_VARIABLE headers)
  set(objects "")
  foreach(source IN LISTS A_SOURCES)
    string(REPLACE ".bpf.c" ".part.o" object ${name}-${source})
    add_custom_command(OUTPUT ${out}/${object}
      COMMAND ${A_COMPILER} -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_${BPF_TARGET_ARCH}
        -std=gnu11 -Wall -Wextra -Wno-unused-parameter -Wno-missing-declarations -Werror
        -I${CMAKE_SOURCE_DIR} -isystem /usr/include/${CMAKE_LIBRARY_ARCHITECTURE}
        -c ${CMAKE_CURRENT_SOURCE_DIR}/${source} -o ${out}/${object}
      COMMAND ${BPF_STRIP} -g ${out}/${object}
      DEPENDS ${source} ${headers}
      COMMENT "BPF ${source}" VERBATIM)
    list(APPEND objects ${out}/${object})
  endforeach()

  add_custom_command(OUTPUT ${out}/${name}.bpf.o
    COMMAND ${BPFTOOL} gen object ${out}/${name}.bpf.o ${objects}
    DEPENDS ${objects} COMMENT "BPF object ${name}" VERBATIM)

  add_custom_command(OUTPUT ${out}/${name}.skel.h
    COMMAND ${CMAKE_COMMAND} -DBPFTOOL=${BPFTOOL} -DOBJECT=${out}/${name}.bpf.o -DNAME=${name}
      -DOUTPUT=${out}/${name}.skel.h -P ${CMAKE_SOURCE_DIR}/cmake/skeleton.cmake
    DEPENDS ${out}/${name}.bpf.o ${CMAKE_SOURCE_DIR}/cmake/skeleton.cmake
    COMMENT "Skeleton ${name}" VERBATIM)

  add_custom_target(${name}_skel_files DEPENDS ${out}/${name}.skel.h)
  add_library(${name}_skel INTERFACE)
  add_dependencies(${name}_skel ${name}_skel_files)
  # SYSTEM: the generated header is not held to our warnings.
  target_include_directories(${name}_skel SYSTEM INTERFACE ${out})
endfunction()
