// virtpulse-viewer: see virtpulse-viewer(1).
#include "viewer/options.h"
#include "viewer/program.h"

int main(int argc, char** argv) {
    using namespace virtpulse::viewer;
    const auto parsed = parse_options(argc, argv);
    return parsed.options ? run_viewer(*parsed.options) : parsed.exit_code;
}
