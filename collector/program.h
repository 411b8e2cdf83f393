// The program from its command line to its exit code.
#pragma once

namespace virtpulse::collector {

// Returns the exit code: 0 done, 1 failed at run time, 2 wrong use. Ends on SIGTERM or SIGINT.
int run_program(int argc, char** argv);

}  // namespace virtpulse::collector
