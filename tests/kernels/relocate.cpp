// relocate BTF: how the agent's BPF programs fit a kernel that is known by its types alone.
//
// Prints what the agent would plan on a kernel with these types (BTF, raw or in an ELF file), and
// for each program the members that it reads and the kernel lacks. libbpf resolves the programs
// against the types and then shows them to the kernel that runs, which may refuse them: that does
// not matter here. Needs root.
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <iostream>
#include <map>
#include <memory>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "userspace/probe/facts.h"
#include "userspace/probe/plan.h"
#include "virtpulse_bpf.skel.h"

using namespace virtpulse::agent;

namespace {

// What libbpf says of its work, at level "debug": the only place where it says it.
std::string libbpf_said;

int note(libbpf_print_level, const char* format, va_list arguments) {
    char text[1024];
    std::vsnprintf(text, sizeof text, format, arguments);
    libbpf_said += text;
    return 0;
}

struct Members {
    std::set<std::string> asked;   // whether the kernel has them
    std::set<std::string> absent;  // and it has not, though they are read

    // It asks first for the member, for one that this one is in, or for one beside it whose name
    // begins alike, as those do that are read together.
    [[nodiscard]] bool does_without(const std::string& member) const {
        constexpr std::size_t alike = 8;
        const auto compared = member.rfind('.') + 1 + alike;
        return std::ranges::any_of(asked, [&](const std::string& other) {
            return member == other || member.starts_with(other + ".") ||
                   (member.size() >= compared &&
                    member.compare(0, compared, other, 0, compared) == 0);
        });
    }
};

// Whether there is the struct at all that a member is of; "vcpu_vmx___since_6_15" is our name for
// one.
bool has_type(const btf* types, const std::string& member) {
    std::string name = member.substr(0, member.find('.'));
    name.resize(std::min(name.size(), name.find("___")));
    return btf__find_by_name_kind(types, name.c_str(), BTF_KIND_STRUCT) > 0 ||
           btf__find_by_name_kind(types, name.c_str(), BTF_KIND_ENUM) > 0;
}

// [program], also of functions that programs call.
std::map<std::string, Members> members_of_programs() {
    // prog 'vp_adopt': relo #3: <byte_off> [32] struct task_struct.on_rq (0:3 @ offset 24)
    static const std::regex asked(
        R"(prog '(\w+)': relo #(\d+): <(\w+)> \[\d+\] (?:struct|union|enum) ([\w.]+))");
    // prog 'vp_adopt': relo #3: no matching targets found
    static const std::regex absent(R"(prog '(\w+)': relo #(\d+): no matching targets found)");
    std::map<std::string, Members> programs;
    std::map<std::pair<std::string, std::string>, std::pair<std::string, std::string>> relocations;
    std::istringstream lines(libbpf_said);
    for (std::string line; std::getline(lines, line);) {
        std::smatch found;
        if (std::regex_search(line, found, asked)) {
            relocations[{found[1], found[2]}] = {found[3], found[4]};
            if (found[3] == "field_exists") programs[found[1]].asked.emplace(found[4]);
            programs[found[1]];
        } else if (std::regex_search(line, found, absent)) {
            const auto& [kind, member] = relocations[{found[1], found[2]}];
            if (kind != "field_exists") programs[found[1]].absent.emplace(member);
        }
    }
    return programs;
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 2) {
        std::cerr << "usage: relocate BTF\n";
        return 2;
    }
    const std::unique_ptr<btf, void (*)(btf*)> types(btf__parse(arguments[1], nullptr), btf__free);
    if (!types) {
        std::perror(arguments[1]);
        return 1;
    }
    KernelFacts facts;
    facts.has_btf = facts.may_load_programs = facts.in_initial_pid_namespace = true;
    note_types(types.get(), facts);
    facts.has_kvm = facts.tracepoints.contains("kvm_exit");
    const auto plan = plan_programs(facts);
    if (plan.refusal) {
        std::cout << "refused: " << *plan.refusal << '\n';
        return 0;
    }
    if (!facts.has_kvm) std::cout << "kvm: not in these types (a module?)\n";
    for (const auto& [figures, why] : plan.missing)
        std::cout << "missing: " << figures << ": " << why << '\n';

    libbpf_set_print(note);
    bpf_object_open_opts options{};
    options.sz = sizeof options;
    options.btf_custom_path = arguments[1];
    virtpulse_bpf* skeleton = virtpulse_bpf__open_opts(&options);
    if (!skeleton) {
        std::perror("the BPF object");
        return 1;
    }
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, skeleton->obj) {
        bpf_program__set_autoload(program, plan.loads(bpf_program__name(program)));
    }
    bpf_map__set_max_entries(skeleton->maps.cpus, 1);
    virtpulse_bpf__load(skeleton);
    virtpulse_bpf__destroy(skeleton);
    for (const auto& [name, members] : members_of_programs()) {
        std::string lacks;
        std::string unknown;
        std::string does_without;
        for (const auto& member : members.absent) {
            auto& list = members.does_without(member)    ? does_without
                         : has_type(types.get(), member) ? lacks
                                                         : unknown;
            list += " " + member;
        }
        std::cout << name << ": " << (lacks.empty() ? "fits" : "LACKS" + lacks);
        if (!does_without.empty()) std::cout << "; does without" << does_without;
        if (!unknown.empty()) std::cout << "; types not here:" << unknown;
        std::cout << '\n';
    }
    return 0;
}
