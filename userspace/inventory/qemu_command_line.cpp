#include "userspace/inventory/qemu_command_line.h"

#include <algorithm>
#include <cctype>
#include <initializer_list>

#include "base/text.h"

namespace virtpulse::agent {
namespace {

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
    return std::ranges::find(words, word) != words.end();
}

// Options whose value may be any text, even one that looks like an option.
bool takes_any_text(std::string_view option) {
    return is_one_of(option,
                     {"name", "append", "uuid", "id", "smp", "m", "machine", "M", "smbios"});
}

// Options without a value; a word after them that does not begin with '-' is a disk image.
bool takes_nothing(std::string_view option) {
    return is_one_of(
        option,
        {"snapshot",        "full-screen", "no-quit",         "nodefaults",  "nographic",
         "no-user-config",  "S",           "enable-kvm",      "daemonize",   "no-reboot",
         "no-shutdown",     "no-acpi",     "no-hpet",         "usb",         "no-fd-bootchk",
         "only-migratable", "singlestep",  "one-insn-per-tb", "preconfig",   "mem-prealloc",
         "portrait",        "xen-attach",  "nodefconfig",     "no-kvm",      "no-kvm-irqchip",
         "curses",          "sdl",         "win2k-hack",      "semihosting", "old-param"});
}

bool only_prints(std::string_view option) {
    return is_one_of(option, {"version", "help", "h", "?"});
}

// One "key=value" of an option's value. In qemu's options a comma within a value is doubled.
struct Property {
    std::string key;  // empty where there is no '='
    std::string value;
};

class Properties {
  public:
    explicit Properties(std::string_view text) : rest_(text) {}

    std::optional<Property> next() {
        if (rest_.empty()) return std::nullopt;
        std::string item;
        while (!rest_.empty()) {
            const bool comma = rest_.front() == ',';
            if (comma && !rest_.substr(1).starts_with(',')) break;
            item += rest_.front();
            rest_.remove_prefix(comma ? 2 : 1);
        }
        if (!rest_.empty()) rest_.remove_prefix(1);
        const auto equals = item.find('=');
        if (equals == std::string::npos) return Property{"", std::move(item)};
        return Property{item.substr(0, equals), item.substr(equals + 1)};
    }

  private:
    std::string_view rest_;
};

// The value of `key`. With `implied`, a first property without '=' is one of that key.
std::optional<std::string> property(std::string_view text, std::string_view key, bool implied) {
    std::optional<std::string> found;
    Properties properties(text);
    for (bool first = true; auto p = properties.next(); first = false) {
        if (p->key == key || (implied && first && p->key.empty())) found = std::move(p->value);
    }
    return found;
}

// A size as qemu reads it, in bytes: a number, maybe with a fraction, and one of b k m g t p e.
std::optional<std::uint64_t> parse_size(std::string_view text, std::uint64_t default_unit) {
    constexpr std::string_view suffixes = "bkmgtpe";
    std::uint64_t unit = default_unit;
    if (!text.empty()) {
        const auto last = static_cast<char>(std::tolower(static_cast<unsigned char>(text.back())));
        if (const auto at = suffixes.find(last); at != std::string_view::npos) {
            unit = std::uint64_t{1} << (10 * at);
            text.remove_suffix(1);
        }
    }
    const auto number = parse_number<double>(text);
    constexpr double most_bytes = 0x1p60;
    if (!number) return std::nullopt;
    const double bytes = *number * static_cast<double>(unit);
    if (!(bytes >= 0 && bytes <= most_bytes)) return std::nullopt;
    return static_cast<std::uint64_t>(bytes);
}

constexpr std::uint64_t kib = 1024;
constexpr std::uint64_t mib = 1024 * kib;

void read_memory(std::string_view value, QemuGuest& guest) {
    auto size = property(value, "size", true);
    if (!size) size = property(value, "mem", false);
    if (size) {
        const auto bytes = parse_size(*size, mib);
        guest.memory_kib = bytes ? std::optional(*bytes / kib) : std::nullopt;
    }
    if (const auto most = property(value, "maxmem", false)) {
        const auto bytes = parse_size(*most, 1);
        guest.max_memory_kib = bytes ? std::optional(*bytes / kib) : std::nullopt;
    }
}

// Of -smp: vCPUs at the start, else as many as there can be, else the product of the topology.
std::optional<std::uint64_t> read_vcpus(std::string_view value) {
    constexpr std::uint64_t most_vcpus = 1 << 16;
    std::uint64_t product = 1;
    std::optional<std::uint64_t> cpus;
    std::optional<std::uint64_t> most;
    Properties properties(value);
    for (bool first = true; const auto p = properties.next(); first = false) {
        const auto number = parse_number<std::uint64_t>(p->value);
        if (!number || *number == 0 || *number > most_vcpus) return std::nullopt;
        if (p->key == "cpus" || (first && p->key.empty())) {
            cpus = number;
        } else if (p->key == "maxcpus") {
            most = number;
        } else if (is_one_of(p->key, {"drawers", "books", "sockets", "dies", "clusters", "modules",
                                      "cores", "threads"})) {
            product = std::min(product * *number, most_vcpus);
        }
    }
    if (cpus) return cpus;
    return most ? most : product;
}

// The canonical form in lower case; empty for anything else.
std::string read_uuid(std::string_view text) {
    constexpr std::string_view form = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    if (text.size() != form.size()) return {};
    std::string uuid;
    for (std::size_t i = 0; i < form.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if (form[i] == '-' ? text[i] != '-' : std::isxdigit(byte) == 0) return {};
        uuid += static_cast<char>(std::tolower(byte));
    }
    return uuid;
}

struct Reader {
    QemuGuest guest{"", "", 1, 128 * mib / kib, {}};
    std::string proxmox_id;
    std::string smbios_uuid;
    bool is_machine = true;

    void take(std::string_view option, std::string_view value) {
        if (option == "name") {
            if (auto name = property(value, "guest", true)) guest.name = std::move(*name);
        } else if (option == "uuid") {
            guest.uuid = read_uuid(value);
        } else if (option == "smp") {
            guest.vcpus = read_vcpus(value);
        } else if (option == "m") {
            read_memory(value, guest);
        } else if (option == "machine" || option == "M") {
            const auto type = property(value, "type", true);
            if (type && is_one_of(*type, {"none", "help", "?"})) is_machine = false;
        } else if (option == "id") {
            proxmox_id = value;
        } else if (option == "smbios") {
            if (property(value, "type", false) == "1")
                smbios_uuid = read_uuid(property(value, "uuid", false).value_or(""));
        } else if (option != "append" && is_one_of(value, {"help", "?"})) {
            is_machine = false;
        }
    }

    std::optional<QemuGuest> finish() {
        if (!is_machine) return std::nullopt;
        if (guest.name.empty()) guest.name = std::move(proxmox_id);
        if (guest.uuid.empty()) guest.uuid = std::move(smbios_uuid);
        if (!guest.max_memory_kib || guest.max_memory_kib < guest.memory_kib)
            guest.max_memory_kib = guest.memory_kib;
        return std::move(guest);
    }
};

}  // namespace

std::optional<QemuGuest> parse_qemu_command_line(std::string_view cmdline) {
    if (take_until(cmdline, '\0').empty()) return std::nullopt;
    Reader reader;
    while (!cmdline.empty()) {
        auto option = take_until(cmdline, '\0');
        if (option.size() < 2 || option.front() != '-') continue;  // a disk image
        option.remove_prefix(option.starts_with("--") ? 2 : 1);
        if (only_prints(option)) return std::nullopt;
        if (takes_nothing(option) || cmdline.empty()) continue;
        if (!takes_any_text(option) && cmdline.front() == '-') continue;
        reader.take(option, take_until(cmdline, '\0'));
    }
    return reader.finish();
}

}  // namespace virtpulse::agent
