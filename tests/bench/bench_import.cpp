// Importing many certificates at once, with the lockbox that is beside this program or in $LOCKBOX_BIN_DIR.
#include "base/file.hpp"
#include "tests/bench/certificates.hpp"
#include "tests/bench/milter_client.hpp"

#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <fstream>

using namespace lockbox;

namespace {

/// User and system time of all programs that were waited for, those they have started included.
double cpu_seconds_of_children() {
    rusage usage{};
    (void)getrusage(RUSAGE_CHILDREN, &usage);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// Wall time of all; ms and cpu_ms are for each certificate.
void import_certificates(benchmark::State& state) {
    const TemporaryDirectory directory;
    const auto certificates = static_cast<std::size_t>(state.range(0));
    const auto file = (directory.path() / "all.gpg").string();
    {
        std::ofstream all(file, std::ios::binary);
        bench::CertificateMaker maker(bench::Kind::openpgp_25519);
        for (std::size_t i = 0; i < certificates; ++i) {
            all << maker.make(i).certificate.bytes;
        }
    }
    const auto cpu_before = cpu_seconds_of_children();
    double wall = 0;
    unsigned number = 0;
    for (auto _ : state) {
        const auto keyring = (directory.path() / fmt::format("{}.db", ++number)).string();
        const auto begin = std::chrono::steady_clock::now();
        if (bench::run({bench::program("lockbox"), "--keyring", keyring, "import", file}) != 0) {
            state.SkipWithError("not imported");
        }
        wall += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    }
    const auto all = static_cast<double>(state.iterations()) * static_cast<double>(certificates);
    state.counters["ms"] = wall * 1e3 / all;
    state.counters["cpu_ms"] = (cpu_seconds_of_children() - cpu_before) * 1e3 / all;
}

} // namespace

BENCHMARK(import_certificates)->Arg(200)->Iterations(2)->Unit(benchmark::kMillisecond)->UseRealTime();
