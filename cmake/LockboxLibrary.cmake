# One line per layer: the folder, its sources, and what it may use. The order of the calls is the order of the layers. With
# LOCKBOX_UNITY several sources are compiled as one, which takes half as long from nothing; those in ALONE
# have names for themselves that others have, too.
function(lockbox_library name)
    cmake_parse_arguments(ARG "" "" "SOURCES;ALONE;USES" ${ARGN})
    add_library(lockbox_${name} STATIC ${ARG_SOURCES} ${ARG_ALONE})
    target_include_directories(lockbox_${name} PUBLIC ${PROJECT_SOURCE_DIR})
    target_link_libraries(lockbox_${name} PUBLIC ${ARG_USES} PRIVATE lockbox_warnings)
    if(LOCKBOX_UNITY)
        set_target_properties(lockbox_${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
        set_source_files_properties(${ARG_ALONE} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
        # It warns of types in unnamed namespaces outside of the main file, which none of them is in then.
        target_compile_options(lockbox_${name} PRIVATE -Wno-subobject-linkage)
    endif()
endfunction()
