#include "wire/failure.h"

namespace virtpulse::wire {

std::string_view failure_name(int code) {
    switch (code) {
        case not_found:
            return "not_found";
        case too_many_points:
            return "too_many_points";
        case unavailable:
            return "unavailable";
        default:
            return "bad_request";
    }
}

int failure_code(std::string_view name) {
    for (const int code : {not_found, too_many_points, unavailable}) {
        if (failure_name(code) == name) return code;
    }
    return bad_request;
}

}  // namespace virtpulse::wire
