// virtpulse-agent: see virtpulse-agent(8).
#include "userspace/options.h"
#include "userspace/program.h"

int main(int argc, char** argv) {
    using namespace virtpulse::agent;
    const auto parsed = parse_options(argc, argv);
    return parsed.options ? run_agent(*parsed.options) : parsed.exit_code;
}
