// grid-sim: `grid-sim --help` explains.
#include <cstdio>

#include "tools/grid_sim/options.h"
#include "tools/grid_sim/simulation.h"

int main(int argc, char** argv) {
    using namespace virtpulse::sim;
    const auto parsed = parse_options(argc, argv);
    if (const auto* exit_code = std::get_if<int>(&parsed)) return *exit_code;
    const auto done = simulate(std::get<Options>(parsed));
    if (done) return 0;
    std::fprintf(stderr, "grid-sim: %s\n", done.error().message.c_str());
    return 1;
}
