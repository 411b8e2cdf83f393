#include "userspace/probe/facts.h"

#include <bpf/btf.h>
#include <linux/magic.h>
#include <sys/capability.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <memory>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "base/text.h"
#include "userspace/probe/plan.h"

namespace virtpulse::agent {
namespace {

struct FreeBtf {
    void operator()(btf* b) const { btf__free(b); }
};

using Btf = std::unique_ptr<btf, FreeBtf>;

const btf_type* skip_modifiers(const btf* types, __u32 id) {
    const btf_type* type = btf__type_by_id(types, id);
    while (type != nullptr && (btf_is_mod(type) || btf_is_typedef(type)))
        type = btf__type_by_id(types, type->type);
    return type;
}

// Members of unnamed structs and unions in it are its own.
bool has_member(const btf* types, const btf_type* type, std::string_view name) {
    const btf_member* member = btf_members(type);
    for (int i = 0; i < btf_vlen(type); ++i) {
        if (member[i].name_off != 0) {
            if (btf__name_by_offset(types, member[i].name_off) == name) return true;
            continue;
        }
        const btf_type* unnamed = skip_modifiers(types, member[i].type);
        if (unnamed && btf_is_composite(unnamed) && has_member(types, unnamed, name)) return true;
    }
    return false;
}

bool has_member(const btf* types, std::string_view dotted) {
    const auto dot = dotted.find('.');
    const std::string type_name(dotted.substr(0, dot));
    const int id = btf__find_by_name_kind(types, type_name.c_str(), BTF_KIND_STRUCT);
    return id > 0 && has_member(types, btf__type_by_id(types, static_cast<__u32>(id)),
                                dotted.substr(dot + 1));
}

// Whether what a tracepoint passes begins with a pointer to that struct. Its typedef is of a
// pointer to a function, whose own first argument is the tracepoint's data.
bool begins_with(const btf* types, __u32 tracepoint, std::string_view wanted) {
    const btf_type* function = skip_modifiers(types, tracepoint);
    if (function && btf_is_ptr(function)) function = skip_modifiers(types, function->type);
    if (!function || !btf_is_func_proto(function) || btf_vlen(function) < 2) return false;
    const btf_type* argument = skip_modifiers(types, btf_params(function)[1].type);
    if (!argument || !btf_is_ptr(argument)) return false;
    argument = skip_modifiers(types, argument->type);
    return argument && btf_is_composite(argument) &&
           btf__name_by_offset(types, argument->name_off) == wanted;
}

bool has_capability(cap_value_t capability) {
    const std::unique_ptr<_cap_struct, int (*)(void*)> own(cap_get_proc(), cap_free);
    cap_flag_value_t value = CAP_CLEAR;
    return own && cap_get_flag(own.get(), capability, CAP_EFFECTIVE, &value) == 0 &&
           value == CAP_SET;
}

// By /proc/self, which leads to us wherever it leads anywhere: in the procfs of a namespace that is
// not above ours, which has no number for us, it is missing.
bool is_in_initial_pid_namespace(const Root& root) {
    constexpr ino_t initial = 0xeffffffc;  // PROC_PID_INIT_INO of the kernel, since 3.8
    for (const auto& procfs : {std::string("/proc"), root.procfs}) {
        struct stat info {};
        if (stat((procfs + "/self/ns/pid").c_str(), &info) == 0) return info.st_ino == initial;
    }
    return false;
}

std::string make_bpffs_ready(const std::string& path) {
    struct statfs info {};
    if (statfs(path.c_str(), &info) != 0) return system_error(path).message;
    if (static_cast<unsigned long>(info.f_type) == BPF_FS_MAGIC) return {};
    if (mount("bpffs", path.c_str(), "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") != 0) {
        return system_error("cannot mount bpffs on " + path).message;
    }
    return {};
}

// The addresses of `clone_endio` of device mapper and `crypt_endio` of dm-crypt. A name that a
// second module has as well is told apart by its module; built into the kernel it has none.
void note_dm_functions(const Root& root, KernelFacts& facts) {
    if (!facts.members.contains("dm_target_io.io")) return;
    std::ifstream symbols(root.procfs + "/kallsyms");
    std::string line;
    while (std::getline(symbols, line)) {
        std::string_view rest = line;
        const auto address = take_field(rest);
        take_field(rest);  // the type
        const auto name = take_field(rest);
        if (name != "clone_endio" && name != "crypt_endio") continue;
        const auto module = trim(rest);
        std::uint64_t value = 0;
        std::from_chars(address.data(), address.data() + address.size(), value, 16);
        if (name == "clone_endio" && (module.empty() || module == "[dm_mod]")) {
            facts.dm_clone_end = value;
        } else if (name == "crypt_endio" && (module.empty() || module == "[dm_crypt]") &&
                   facts.members.contains("dm_crypt_io.base_bio")) {
            facts.dm_crypt_end = value;
        }
    }
}

bool exists(const std::string& path) {
    return access(path.c_str(), F_OK) == 0;
}

}  // namespace

void note_types(const btf* types, KernelFacts& facts) {
    for (const auto& need : program_needs()) {
        if (need.tracepoint.empty()) continue;
        const std::string name = "btf_trace_" + std::string(need.tracepoint);
        const int id = btf__find_by_name_kind(types, name.c_str(), BTF_KIND_TYPEDEF);
        if (id <= 0) continue;
        facts.tracepoints.emplace(need.tracepoint);
        if (!need.argument.empty() && begins_with(types, static_cast<__u32>(id), need.argument))
            facts.arguments.emplace(need.tracepoint);
    }
    for (const auto member : members_asked_for()) {
        if (has_member(types, member)) facts.members.emplace(member);
    }
}

LateKvm::LateKvm(const Root& root) {
    for (const char* name : {"kvm", "kvm_intel", "kvm_amd"}) {
        std::string path = root.sysfs + "/module/" + name;
        if (!exists(path)) absent_.push_back(std::move(path));
    }
}

std::optional<std::string> LateKvm::noticed() const {
    const auto found = std::ranges::find_if(absent_, exists);
    if (found == absent_.end()) return std::nullopt;
    return "the module " + found->substr(found->rfind('/') + 1) +
           " came after this agent, which may load no programs any more: restart it (its counters "
           "go on)";
}

KernelFacts gather_kernel_facts(const Root& root) {
    KernelFacts facts;
    facts.may_load_programs =
        has_capability(CAP_SYS_ADMIN) || (has_capability(CAP_BPF) && has_capability(CAP_PERFMON));
    facts.in_initial_pid_namespace = is_in_initial_pid_namespace(root);
    const std::string btf_path = root.sysfs + "/kernel/btf/vmlinux";
    const Btf types(access(btf_path.c_str(), R_OK) == 0 ? btf__parse(btf_path.c_str(), nullptr)
                                                        : nullptr);
    facts.has_btf = types != nullptr;
    if (types) note_types(types.get(), facts);
    facts.has_kvm = exists(root.sysfs + "/module/kvm");
    for (const char* module : {"kvm", "md_mod", "dm_mod", "dm_crypt"}) {
        const std::string path = root.sysfs + "/kernel/btf/" + module;
        if (!types || access(path.c_str(), R_OK) != 0) continue;
        const Btf own(btf__parse_split(path.c_str(), types.get()));
        if (own) note_types(own.get(), facts);
    }
    note_dm_functions(root, facts);
    // Only where it is of use: an agent that will read /proc mounts nothing.
    if (facts.may_load_programs && facts.in_initial_pid_namespace && facts.has_btf) {
        facts.bpffs_problem = make_bpffs_ready(root.sysfs + "/fs/bpf");
    }
    return facts;
}

}  // namespace virtpulse::agent
