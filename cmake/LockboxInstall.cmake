include(GNUInstallDirs)
install(TARGETS lockbox RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS lockbox-milter RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR})
install(FILES cli/lockbox.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES policy/lockbox.conf.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
install(FILES milter/lockbox-milter.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
# Where the programs look for it, and never over an administrator's own.
install(CODE "
    if(NOT EXISTS \"\$ENV{DESTDIR}/etc/lockbox/lockbox.conf\")
        file(INSTALL DESTINATION /etc/lockbox TYPE FILE FILES \"${PROJECT_SOURCE_DIR}/contrib/lockbox.conf\")
    endif()")
install(FILES contrib/lockbox.conf DESTINATION ${CMAKE_INSTALL_DOCDIR})
configure_file(contrib/systemd/lockbox-milter.service.in lockbox-milter.service @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/lockbox-milter.service DESTINATION lib/systemd/system)
install(FILES contrib/systemd/lockbox.sysusers DESTINATION lib/sysusers.d RENAME lockbox.conf)
install(FILES contrib/systemd/lockbox.tmpfiles DESTINATION lib/tmpfiles.d RENAME lockbox.conf)
install(FILES contrib/completions/lockbox.bash
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME lockbox)
install(FILES contrib/completions/_lockbox DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
install(PROGRAMS contrib/reader/lockbox-open-or-keep DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY contrib/postfix contrib/reader contrib/sendmail DESTINATION ${CMAKE_INSTALL_DOCDIR}/contrib
    USE_SOURCE_PERMISSIONS) # hooks are run where they are
install(FILES README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR})
