// One answer out of those of several collectors.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "collector/query/answer.h"

namespace virtpulse::collector {

// What one collector said to a question: JSON that may be anything, or why it says nothing.
struct Said {
    std::string collector;  // its address
    Result<Answer> answer;
};

// Whose question cannot be answered by anybody, as it is wrong or all collectors are silent: why.
// Nothing where at least one has answered.
Result<> check_answers(const std::vector<Said>& said);

// The answer to a question of which only one of them needs to know: the first that there is. Else
// why not; that it is not known only where all of them say so.
Result<Answer> choose(std::vector<Said> said);

// The collectors that did not answer: [{"collector":…,"reason":…}].
nlohmann::ordered_json unreachable(const std::vector<Said>& said);

// A page of hosts by name, out of the pages that begin after the same name. Of one that several
// collectors have, what the one says that heard of it last.
nlohmann::ordered_json merge_hosts(std::vector<Said>&& said, std::size_t most);

// Where each collector's next page of events begins, in their order: `after` of the question. Empty
// is the beginning. An error where the text is not one that merge_events gave for so many.
Result<std::vector<std::string>> read_places(std::string_view after, std::size_t collectors);

// A page of events by time, out of the pages that begin at `places`.
nlohmann::ordered_json merge_events(std::vector<Said> said, std::vector<std::string> places,
                                    std::size_t most);

// Adds the hosts of a page of a snapshot to those of `all`. Of one that is there already the newer.
void add_snapshot(nlohmann::ordered_json& all, nlohmann::ordered_json page);

// VMs in the frames of a snapshot.
std::size_t snapshot_rows(const nlohmann::ordered_json& all);

// Where the next page of a snapshot begins: behind the host `name` of a collector, or with its
// first. The texts rise, by which viewers know that there is progress.
struct SnapshotPlace {
    std::size_t collector = 0;
    std::string name;

    [[nodiscard]] std::string text() const;
    static Result<SnapshotPlace> read(std::string_view after, std::size_t collectors);
};

}  // namespace virtpulse::collector
