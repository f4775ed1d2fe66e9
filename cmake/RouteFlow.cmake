# rf_library(NAME [PURE] SOURCES file... [DEPS rf_lib...] [PRIVATE_DEPS target...])
#
# One static library and one include directory per folder of lib/: a source can include
# only what its target links.  A PURE library is checked, after it is linked, for calls
# to sockets, files, clocks, threads, random numbers and exit (cmake/check-pure.sh).
function(rf_library name)
  cmake_parse_arguments(A "PURE" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(rf_${name} STATIC ${A_SOURCES})
  target_include_directories(rf_${name} PUBLIC include PRIVATE .)
  target_link_libraries(rf_${name} PUBLIC ${A_DEPS} PRIVATE ${A_PRIVATE_DEPS})
  if(A_PURE AND NOT RF_SANITIZE)
    add_custom_command(TARGET rf_${name} POST_BUILD
      COMMAND ${PROJECT_SOURCE_DIR}/cmake/check-pure.sh $<TARGET_FILE:rf_${name}>
      VERBATIM)
  endif()
endfunction()

# rf_program(NAME SOURCES file... DEPS target...)
function(rf_program name)
  cmake_parse_arguments(A "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  target_include_directories(${name} PRIVATE .)
  target_link_libraries(${name} PRIVATE ${A_DEPS})
endfunction()

# Every tests/unit/LIB/test_*.c is a Check program of its own, linked with rf_LIB.
function(rf_unit_tests lib)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${lib}/test_*.c)
  foreach(source ${sources})
    get_filename_component(test ${source} NAME_WE)
    set(target ${lib}_${test})
    add_executable(${target} ${source})
    target_link_libraries(${target} PRIVATE rf_${lib} PkgConfig::CHECK ${ARGN})
    target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
    target_compile_definitions(${target} PRIVATE
      TEST_VECTORS="${PROJECT_SOURCE_DIR}/tests/vectors")
    set_target_properties(${target} PROPERTIES
      RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    add_test(NAME ${lib}/${test} COMMAND ${target})
    set_tests_properties(${lib}/${test} PROPERTIES TIMEOUT 300)
  endforeach()
endfunction()
