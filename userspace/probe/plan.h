// Which programs are loaded, decided from facts alone.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "userspace/probe/facts.h"

namespace virtpulse::agent {

// What a program answers. A group is loaded whole or not at all.
enum class ProgramGroup { core, late_threads, block };

struct ProgramNeed {
    std::string_view program;
    std::string_view tracepoint;  // empty for iterators
    ProgramGroup group;
};

struct GroupNeed {
    ProgramGroup group;
    std::string_view member;  // of a kernel type that its programs read
};

// The programs, in the order in which they are attached: what ends something before what begins it.
std::span<const ProgramNeed> program_needs();
std::span<const GroupNeed> member_needs();

struct ProgramPlan {
    // Why nothing can be loaded, in one line with the remedy; then the rest means nothing.
    std::optional<std::string> refusal;
    std::set<std::string, std::less<>> programs;
    std::map<std::string, std::string> missing;  // "block" -> why it is not told

    [[nodiscard]] bool loads(std::string_view program) const { return programs.contains(program); }
};

ProgramPlan plan_programs(const KernelFacts& facts);

}  // namespace virtpulse::agent
