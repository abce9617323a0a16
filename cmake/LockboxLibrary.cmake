# One line per layer: the folder, its sources, and what it may use. The order of the calls is the order of the layers.
function(lockbox_library name)
    cmake_parse_arguments(ARG "" "" "SOURCES;USES" ${ARGN})
    add_library(lockbox_${name} STATIC ${ARG_SOURCES})
    target_include_directories(lockbox_${name} PUBLIC ${PROJECT_SOURCE_DIR})
    target_link_libraries(lockbox_${name} PUBLIC ${ARG_USES} PRIVATE lockbox_warnings)
endfunction()
