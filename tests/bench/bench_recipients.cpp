// Messages to many different recipients, beside messages to one: what it costs that a certificate was not
// used a moment ago. Every iteration sends the same number of messages to each of the milters that are
// compared, so that a machine that is busy with something else slows all of them down.
#include "keyring/keyring.hpp"
#include "tests/bench/certificates.hpp"
#include "tests/bench/milter_client.hpp"
#include "tests/bench/support.hpp"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <array>
#include <map>
#include <numeric>
#include <random>
#include <vector>

using namespace lockbox;
using bench::Kind;
using bench::MilterProcess;
using bench::MtaConnection;

namespace {

constexpr std::size_t certificates_most = 100'000;
constexpr unsigned messages_per_connection = 50;
constexpr std::size_t message_octets = 5U << 10U;

/// A keyring with certificates_most certificates, made once for each kind. With TMPDIR=/dev/shm it takes
/// about a minute; on a disk, storing each waits for it. $LOCKBOX_BENCH_KEYRINGS is a directory where they
/// are kept for the next run.
const std::string& keyring_of(Kind kind) {
    static const TemporaryDirectory temporary;
    static std::map<Kind, std::string> made;
    auto& path = made[kind];
    if (path.empty()) {
        const char* kept = std::getenv("LOCKBOX_BENCH_KEYRINGS"); // NOLINT(concurrency-mt-unsafe)
        const auto directory = kept != nullptr ? std::filesystem::path(kept) : temporary.path();
        path = (directory / fmt::format("{}.db", static_cast<int>(kind))).string();
        auto keyring = keyring::Keyring::open(keyring::Location{path}, keyring::Access::create);
        bench::CertificateMaker maker(kind);
        for (auto i = keyring.size(); i < certificates_most; ++i) {
            (void)keyring.store(maker.make(i), std::nullopt, now());
        }
    }
    return path;
}

/// A milter that is asked to seal to the first `recipients` of a keyring.
struct Asked {
    Asked(Kind kind, std::size_t how_many) : recipients(how_many), milter(keyring_of(kind)) {}

    void connection(const mail::Message& message, benchmark::State& state) {
        MtaConnection mta(milter.socket_path());
        for (unsigned i = 0; i < messages_per_connection; ++i) {
            const std::array<std::string, 1> to{
                bench::address_of(std::uniform_int_distribution<std::size_t>(0, recipients - 1)(random))};
            if (!mta.deliver(message, to)) {
                state.SkipWithError("not sealed");
            }
        }
    }

    std::size_t recipients;
    MilterProcess milter;
    std::minstd_rand random{1}; // NOLINT(cert-msc*): the same ones each time
    double cpu_before = 0;
};

/// cpu_us_N: what the milter's process took for a message to one of N recipients; ratio_N: over that for one;
/// peak_MiB_N: its largest memory.
void different_recipients(benchmark::State& state, Kind kind) {
    constexpr std::array<std::size_t, 3> numbers{1, 2'000, certificates_most};
    std::vector<std::unique_ptr<Asked>> asked;
    for (const auto number : numbers) {
        asked.push_back(std::make_unique<Asked>(kind, number));
    }
    const auto message = bench::message_of(message_octets);
    constexpr unsigned warm_connections = 40; // 2,000 messages: what is kept is full
    for (unsigned i = 0; i < warm_connections; ++i) {
        for (auto& one : asked) {
            one->connection(message, state);
        }
    }
    for (auto& one : asked) {
        one->cpu_before = one->milter.cpu_seconds();
    }
    for (auto _ : state) {
        for (auto& one : asked) {
            one->connection(message, state);
        }
    }
    double of_one = 0;
    for (auto& one : asked) {
        const auto cpu_us = (one->milter.cpu_seconds() - one->cpu_before) * 1e6 /
                            (static_cast<double>(state.iterations()) * messages_per_connection);
        of_one = one->recipients == 1 ? cpu_us : of_one;
        state.counters[fmt::format("cpu_us_{}", one->recipients)] = cpu_us;
        state.counters[fmt::format("ratio_{}", one->recipients)] = cpu_us / of_one;
        state.counters[fmt::format("peak_MiB_{}", one->recipients)] = one->milter.peak_octets() / (1 << 20);
    }
}

/// A message that names all of them: they can tell who the others are, and get one sealed copy.
mail::Message message_to(const std::vector<std::string>& recipients) {
    auto message = bench::message_of(message_octets);
    std::string to;
    for (const auto& recipient : recipients) {
        to += (to.empty() ? " " : ",\n\t") + recipient;
    }
    std::vector<mail::HeaderField> fields(message.header.fields().begin(), message.header.fields().end());
    for (auto& field : fields) {
        if (field.name == "To") {
            field.body = to;
        }
    }
    message.header = mail::HeaderSection(std::move(fields));
    return message;
}

/// One message to so many people at once; cpu_us is for each of them.
void one_message_to_many(benchmark::State& state, Kind kind) {
    const MilterProcess milter(keyring_of(kind));
    const auto people = static_cast<std::size_t>(state.range(0));
    std::vector<std::string> recipients;
    std::size_t first = 0;
    const auto deliver = [&] {
        recipients.clear();
        for (std::size_t i = 0; i < people; ++i) {
            recipients.push_back(bench::address_of(first++ % certificates_most)); // others each time
        }
        MtaConnection mta(milter.socket_path());
        if (!mta.deliver(message_to(recipients), recipients)) {
            state.SkipWithError("not sealed");
        }
    };
    deliver();
    milter.reset_peak();
    const auto before = milter.cpu_seconds();
    for (auto _ : state) {
        deliver();
    }
    state.counters["cpu_us"] = (milter.cpu_seconds() - before) * 1e6 /
                               (static_cast<double>(state.iterations()) * static_cast<double>(people));
    state.counters["peak_MiB"] = milter.peak_octets() / (1 << 20);
}

} // namespace

BENCHMARK_CAPTURE(different_recipients, openpgp_25519, Kind::openpgp_25519)
    ->Iterations(60)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(different_recipients, smime_rsa2048, Kind::smime_rsa2048)
    ->Iterations(60)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(different_recipients, smime_p256, Kind::smime_p256)
    ->Iterations(60)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(one_message_to_many, openpgp_25519, Kind::openpgp_25519)
    ->Arg(1)
    ->Arg(2'000)
    ->Iterations(5)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(one_message_to_many, smime_rsa2048, Kind::smime_rsa2048)
    ->Arg(1)
    ->Arg(2'000)
    ->Iterations(5)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
