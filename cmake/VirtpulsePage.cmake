# virtpulse_page(OUTPUT file): bundles viewer/page (TypeScript) and writes it as C++ to `file`. Where
# Node.js is missing, or npm cannot install what the lock file names, the file says so instead: the
# viewer then builds without its page, and --web gives the reason. What is wrong with the page's own
# source is an error.

find_program(NODE NAMES node nodejs)
find_program(NPM npm)

# Why Node.js is of no use here; empty where it is.
function(virtpulse_why_no_node result)
  set(why "")
  if(NOT NODE OR NOT NPM)
    set(why "Node.js and npm were not there when it was built")
  else()
    execute_process(COMMAND ${NODE} --version OUTPUT_VARIABLE version ERROR_QUIET
      OUTPUT_STRIP_TRAILING_WHITESPACE)
    string(REGEX REPLACE "^v" "" version "${version}")
    if(version VERSION_LESS 18)
      set(why "Node.js was ${version} when it was built, and has to be 18 or newer")
    endif()
  endif()
  set(${result} "${why}" PARENT_SCOPE)
endfunction()

# Modules go to the build directory; ninja runs the command again until its stamp is there.
function(virtpulse_page output)
  set(page ${CMAKE_SOURCE_DIR}/viewer/page)
  virtpulse_why_no_node(WHY_NO_PAGE)
  if(WHY_NO_PAGE)
    message(STATUS "No page in this build: ${WHY_NO_PAGE}")
    configure_file(${CMAKE_SOURCE_DIR}/viewer/web/no_assets.cpp.in ${output} @ONLY)
    return()
  endif()
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS
    ${page}/src/*.ts ${page}/*.html ${page}/*.css ${page}/*.svg ${page}/login.js)
  add_custom_command(OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/page.stamp BYPRODUCTS ${output}
    COMMAND ${NODE} ${page}/bundle.mjs --npm ${NPM} --modules ${CMAKE_BINARY_DIR}/page
      --no-assets ${CMAKE_SOURCE_DIR}/viewer/web/no_assets.cpp.in
      --output ${output} --stamp ${CMAKE_CURRENT_BINARY_DIR}/page.stamp
    DEPENDS ${sources} ${page}/bundle.mjs ${page}/modules.mjs ${page}/package-lock.json
      ${page}/tsconfig.json ${CMAKE_SOURCE_DIR}/viewer/web/no_assets.cpp.in
    COMMENT "Page" VERBATIM)
  add_custom_target(virtpulse_page_files DEPENDS ${CMAKE_CURRENT_BINARY_DIR}/page.stamp)
endfunction()
