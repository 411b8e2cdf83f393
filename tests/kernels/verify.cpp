// verify OBJECT: shows each BPF program of an object file to the kernel that runs, by itself.
//
// Prints "taken NAME" or "refused NAME REASON", the last line of what the verifier said. Needs
// root.
#include <bpf/libbpf.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Object = std::unique_ptr<bpf_object, void (*)(bpf_object*)>;

Object open(const char* path) {
    return {bpf_object__open_file(path, nullptr), bpf_object__close};
}

std::vector<std::string> programs_of(const bpf_object* object) {
    std::vector<std::string> names;
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, object) names.emplace_back(bpf_program__name(program));
    return names;
}

std::string_view last_line(std::string_view text) {
    // Behind it there is how much the verifier did.
    text = text.substr(0, text.rfind("\nprocessed "));
    while (text.ends_with('\n'))
        text.remove_suffix(1);
    return text.substr(text.rfind('\n') + 1);
}

// False where the object cannot be opened again.
bool try_program(const char* path, const std::string& wanted) {
    static std::array<char, 1 << 20> log;
    const auto object = open(path);
    if (!object) return false;
    log[0] = '\0';
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, object.get()) {
        const bool is_it = bpf_program__name(program) == wanted;
        bpf_program__set_autoload(program, is_it);
        if (is_it) bpf_program__set_log_buf(program, log.data(), log.size());
    }
    bpf_map__set_max_entries(bpf_object__find_map_by_name(object.get(), "cpus"), 1);
    const int error = -bpf_object__load(object.get());
    if (error == 0) {
        std::cout << "taken " << wanted << '\n';
    } else {
        const auto said = last_line(log.data());
        std::cout << "refused " << wanted << ' ' << (said.empty() ? std::strerror(error) : said)
                  << '\n';
    }
    return true;
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 2) {
        std::cerr << "usage: verify OBJECT\n";
        return 2;
    }
    libbpf_set_print(nullptr);
    const auto object = open(arguments[1]);
    if (!object) {
        std::perror(arguments[1]);
        return 1;
    }
    for (const auto& name : programs_of(object.get())) {
        if (!try_program(arguments[1], name)) return 1;
    }
    return 0;
}
