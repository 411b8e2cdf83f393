// What is notable about a host or a virtual machine, in words, for a terminal.
#pragma once

#include <string>

#include "viewer/model/grid.h"

namespace virtpulse::viewer {

// When it will be forgotten, which figures are warn or bad, what is missing and why.
std::string host_note(const HostView& host);

// What it waits for, and what else slows it; empty where neither is worth a word.
std::string vm_note(const VmView& view);

}  // namespace virtpulse::viewer
