// lockbox-milter: the command line of the daemon.
#include "base/ascii.hpp"
#include "base/error.hpp"
#include "base/exit_status.hpp"
#include "milter/daemon.hpp"
#include "milter/server.hpp"
#include "policy/config.hpp"

#include <boost/program_options.hpp>
#include <malloc.h>

#include <exception>
#include <filesystem>
#include <iostream>

namespace {

using namespace lockbox;
namespace po = boost::program_options;

constexpr std::string_view usage = R"(Usage: lockbox-milter [--config FILE] [--foreground]
       lockbox-milter [--config FILE] --check | --print-config

Seals outgoing mail for Postfix and Sendmail to its recipients' certificates.

)";

constexpr std::string_view see_also = R"(
SIGUSR1 reads the configuration again, SIGTERM finishes the messages in flight and stops.
lockbox-milter(8) and lockbox.conf(5) say the rest.
)";

struct Arguments {
    std::string config_path;
    bool foreground = false;
    bool check = false;
    bool print_config = false;
    bool help = false;
    bool version = false;
};

po::options_description options_for(Arguments& arguments) {
    po::options_description options("Options");
    auto add = options.add_options();
    add("config",
        po::value(&arguments.config_path)
            ->default_value(std::string(policy::default_config_path))
            ->value_name("FILE"),
        "the configuration");
    add("foreground", po::bool_switch(&arguments.foreground),
        "do not become a daemon: for systemd and for a look at it");
    add("check", po::bool_switch(&arguments.check),
        "say what is wrong with the configuration, the keyring and the socket's directory, and exit");
    add("print-config", po::bool_switch(&arguments.print_config),
        "print the configuration with all defaults, and exit");
    add("help", po::bool_switch(&arguments.help), "this text");
    add("version", po::bool_switch(&arguments.version), "the version");
    return options;
}

void parse(int argc, char** argv, const po::options_description& options) {
    try {
        po::variables_map values;
        const po::positional_options_description none;
        constexpr int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
        po::store(po::command_line_parser(argc, argv).options(options).positional(none).style(style).run(),
                  values);
        po::notify(values);
    } catch (const po::error& error) {
        throw Error(ErrorKind::usage, error.what(), "`lockbox-milter --help` lists the options");
    }
}

/// Large messages are given back to the system at once, and do not stay as holes in the heap.
void return_large_blocks() {
    constexpr int octets = 1 << 20;
    (void)mallopt(M_MMAP_THRESHOLD, octets);
    (void)mallopt(M_TRIM_THRESHOLD, octets);
}

void start(const Arguments& arguments, const policy::Config& config) {
    if (arguments.foreground) {
        log::open(config.log, config.log_level);
        milter::run(config, arguments.config_path, [] {});
    }
    if (config.log == log::Sink::standard_error) {
        throw Error(ErrorKind::configuration,
                    "log = stderr needs --foreground: a daemon has no standard error", "or set log = syslog");
    }
    milter::run_as_daemon([&](const std::function<void()>& ready) {
        log::open(config.log, config.log_level);
        milter::run(config, arguments.config_path, ready);
    });
}

void run(int argc, char** argv) {
    Arguments arguments;
    const auto options = options_for(arguments);
    parse(argc, argv, options);
    if (arguments.help) {
        std::cout << usage << options << see_also;
    } else if (arguments.version) {
        std::cout << "lockbox-milter " LOCKBOX_VERSION "\n";
    } else {
        const auto config = policy::read_config_file(arguments.config_path);
        arguments.config_path =
            std::filesystem::absolute(arguments.config_path).string(); // a daemon's directory is /
        if (arguments.print_config) {
            std::cout << policy::print_config(config);
        } else if (arguments.check) {
            for (const auto& warning : milter::check_start(config)) {
                std::cerr << "lockbox-milter: warning: " << printable(warning) << '\n';
            }
            std::cout << arguments.config_path << ": no faults found\n";
        } else {
            start(arguments, config);
        }
    }
    std::cout.flush();
    if (!std::cout) {
        throw Error(ErrorKind::io, "cannot write to standard output");
    }
}

} // namespace

int main(int argc, char** argv) {
    return_large_blocks();
    try {
        run(argc, argv);
        return EX_OK;
    } catch (const Error& error) {
        std::cerr << "lockbox-milter: error: " << error.what() << '\n';
        if (!error.hint().empty()) {
            std::cerr << "lockbox-milter: hint: " << error.hint() << '\n';
        }
        return exit_status(error.kind());
    } catch (const std::exception& error) {
        std::cerr << "lockbox-milter: error: " << error.what() << '\n';
        return EX_SOFTWARE;
    }
}
