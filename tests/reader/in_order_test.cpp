#include "reader/in_order.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <stdexcept>

using lockbox::reader::InOrder;
using lockbox::reader::tasks_per_worker;

TEST_CASE("results come in the order of the tasks, and few are in memory", "[reader]") {
    const auto jobs = GENERATE(as<std::size_t>{}, 1, 4);
    std::vector<InOrder<int, int>::Work> workers(jobs, [](int&& task) { return 2 * task; });
    InOrder<int, int> threads(std::move(workers));
    int given = 0;
    std::vector<int> results;
    std::size_t ahead_max = 0;
    threads.run([&]() -> std::optional<int> { return given < 1000 ? std::optional(given++) : std::nullopt; },
                [](const int&) { return std::size_t{1}; },
                [&](int&& result) {
                    ahead_max = std::max(ahead_max, static_cast<std::size_t>(given) - results.size());
                    results.push_back(result);
                });
    REQUIRE(results.size() == 1000);
    for (std::size_t i = 0; i < results.size(); ++i) {
        CHECK(results[i] == 2 * static_cast<int>(i));
    }
    CHECK(ahead_max <= jobs * tasks_per_worker);
}

TEST_CASE("large tasks are in memory one at a time", "[reader]") {
    std::vector<InOrder<int, int>::Work> workers(4, [](int&& task) { return task; });
    InOrder<int, int> threads(std::move(workers));
    int given = 0;
    int finished = 0;
    threads.run([&]() -> std::optional<int> { return given < 20 ? std::optional(given++) : std::nullopt; },
                [](const int&) { return lockbox::reader::window_octets_max; },
                [&](int&&) {
                    ++finished;
                    CHECK(given == finished);
                });
    CHECK(finished == 20);
}

TEST_CASE("what a worker throws is thrown in its turn", "[reader]") {
    std::vector<InOrder<int, int>::Work> workers(4, [](int&& task) -> int {
        if (task == 10) {
            throw std::runtime_error("ten");
        }
        return task;
    });
    InOrder<int, int> threads(std::move(workers));
    int given = 0;
    int finished = 0;
    CHECK_THROWS_WITH(
        threads.run(
            [&]() -> std::optional<int> { return given < 100 ? std::optional(given++) : std::nullopt; },
            [](const int&) { return std::size_t{1}; }, [&](int&&) { ++finished; }),
        "ten");
    CHECK(finished == 10);
}
