// virtpulse-collector: takes frames in, keeps them, and passes them on to viewers.
#include "collector/program.h"

int main(int argc, char** argv) {
    return virtpulse::collector::run_program(argc, argv);
}
