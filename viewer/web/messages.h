// What a page is told as text: one JSON object a message, told apart by its "type".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "viewer/model/findings.h"
#include "viewer/picture.h"

namespace virtpulse::viewer::web {

// {"type":"hello","version","unhealthy","forget_after_s","silent_severity","thresholds":{name:
// [well, high, critical]}}: once, first.
std::string hello_message(bool unhealthy_only);

// {"type":"status","time","collectors":[as --json has them],"refused","skipped"}: each second.
// `refused`: frames beyond the bounds of the model; `skipped`: seconds that this browser was too
// slow for.
std::string status_message(const Picture& picture, std::uint64_t refused, std::uint64_t skipped);

// {"type":"host","name","second":time of the overview that it goes with,"host":as --json has it or
// null where it is not known,"frames":[as they came]}.
std::string host_message(std::string_view name, double second, const std::optional<HostView>& host,
                         const std::vector<std::string>& frames);

// {"type":"findings","more","worst":[{"severity","level","host","vm","uuid","text"}]}.
std::string findings_message(const Findings& findings);

// {"type":"answer","command":"connect","address","error":null or why not}.
std::string answer_message(std::string_view command, std::string_view address,
                           std::string_view error);

// {"type":"history","id","error":null or why not,"answer":the collector's, or null}.
std::string history_message(std::uint64_t id, const Result<std::string>& answer);

// {"type":"moment","at":s since the epoch or null for now,"state":"live", "loading", "ready" or
// "failed","reason":null or why it failed}: everything that follows is of then.
std::string moment_message(std::optional<std::int64_t> at_s, std::string_view state,
                           std::string_view reason);

}  // namespace virtpulse::viewer::web
