# How every C++ target of the project is compiled.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)

option(VIRTPULSE_SANITIZE "Build with AddressSanitizer and UndefinedBehaviorSanitizer" OFF)

# Enough debug information for a backtrace with lines, inlined calls included. With variables and
# types (-g) a build takes half as long again: 20 against 14 s for a file of coroutines.
foreach(type IN ITEMS RELWITHDEBINFO DEBUG)
  string(REGEX REPLACE "-g( |$)" "-g1\\1" CMAKE_CXX_FLAGS_${type} "${CMAKE_CXX_FLAGS_${type}}")
endforeach()

# The presets that build everything, release and sanitize, compile eight files of a target as one
# (CMAKE_UNITY_BUILD): most of a file's time goes into headers and templates that its neighbours need
# as well. All of the release preset on two cores: 11 min 11 s alone, 7 min 18 s in batches; of files without
# coroutines less than half, of those with them four fifths.

# A second build of the same sources, in another directory too (a clean checkout), is then mostly
# free. For that, nothing that the compiler sees or writes may name the directory: paths below it are
# made relative, in debug information too.
add_compile_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)
find_program(CCACHE ccache)
if(CCACHE)
  foreach(language IN ITEMS C CXX)
    set(CMAKE_${language}_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE})
  endforeach()
endif()

# virtpulse_options(TARGET...): our warnings, as errors, for our own sources.
function(virtpulse_options)
  foreach(target IN LISTS ARGN)
    target_compile_options(${target} PRIVATE
      -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor
      -Wold-style-cast -Woverloaded-virtual -Wformat=2 -Werror)
    if(CMAKE_UNITY_BUILD)
      # Wrong of a batch: it tells of headers that use an unnamed namespace, and takes the batch's
      # files for headers.
      target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
    endif()
    if(VIRTPULSE_SANITIZE)
      target_compile_options(${target} PRIVATE -fsanitize=address,undefined
        -fno-sanitize-recover=all -fno-omit-frame-pointer)
      target_link_options(${target} PUBLIC -fsanitize=address,undefined)
    endif()
    target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR})
  endforeach()
endfunction()

# virtpulse_library(NAME SOURCES... [LIBS libraries...]): one room, as a static library.
function(virtpulse_library name)
  cmake_parse_arguments(A "" "" "LIBS" ${ARGN})
  add_library(${name} STATIC ${A_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PUBLIC ${A_LIBS})
  virtpulse_options(${name})
endfunction()

# virtpulse_program(NAME SOURCES... [LIBS libraries...])
function(virtpulse_program name)
  cmake_parse_arguments(A "" "" "LIBS" ${ARGN})
  add_executable(${name} ${A_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE ${A_LIBS})
  virtpulse_options(${name})
endfunction()
