// Keeps libmilter's hands off this process's signals.
//
// smfi_main() starts a thread that waits with sigwait(3) for SIGTERM, SIGINT and SIGHUP and then drops every
// message in flight; which of two waiting threads the kernel wakes is not defined. libmilter has no switch
// for it. So the sigwait() that libmilter finds is this one, which waits for ever: ELF gives the program's
// own definition precedence over the C library's. The daemon itself uses sigwaitinfo(2) (milter/server.cpp).
#include <unistd.h>

#include <csignal>

extern "C" __attribute__((visibility("default"), used)) int sigwait(const sigset_t* /*set*/,
                                                                    int* /*signal*/) {
    while (true) {
        ::pause(); // every signal of interest is blocked in this thread
    }
}
