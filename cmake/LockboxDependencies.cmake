# Debian packages only; contrib/dependencies.sh lists them.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(Boost 1.74 REQUIRED CONFIG COMPONENTS program_options)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
pkg_check_modules(gpgme REQUIRED IMPORTED_TARGET gpgme>=1.18)
pkg_check_modules(gmime REQUIRED IMPORTED_TARGET gmime-3.0)
pkg_check_modules(gumbo REQUIRED IMPORTED_TARGET gumbo>=0.10)
pkg_check_modules(ical REQUIRED IMPORTED_TARGET libical>=3.0)
pkg_check_modules(icu REQUIRED IMPORTED_TARGET icu-uc icu-i18n)
pkg_check_modules(idn2 REQUIRED IMPORTED_TARGET libidn2)
pkg_check_modules(milter REQUIRED IMPORTED_TARGET milter)
pkg_check_modules(rnp REQUIRED IMPORTED_TARGET librnp>=0.16)

# Debian's libunistring-dev and libsoci-dev have no CMake or pkg-config file.
find_path(UNISTRING_INCLUDE_DIR uninorm.h REQUIRED)
find_library(UNISTRING_LIBRARY unistring REQUIRED)
add_library(unistring::unistring UNKNOWN IMPORTED)
set_target_properties(unistring::unistring PROPERTIES
    IMPORTED_LOCATION ${UNISTRING_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${UNISTRING_INCLUDE_DIR})
find_path(SOCI_INCLUDE_DIR soci/soci.h REQUIRED)
foreach(part core sqlite3)
    find_library(SOCI_${part}_LIBRARY soci_${part} REQUIRED)
    add_library(soci::${part} UNKNOWN IMPORTED)
    set_target_properties(soci::${part} PROPERTIES
        IMPORTED_LOCATION ${SOCI_${part}_LIBRARY}
        INTERFACE_INCLUDE_DIRECTORIES ${SOCI_INCLUDE_DIR})
endforeach()
pkg_check_modules(sqlite3 REQUIRED IMPORTED_TARGET sqlite3)
target_link_libraries(soci::sqlite3 INTERFACE soci::core PkgConfig::sqlite3)
