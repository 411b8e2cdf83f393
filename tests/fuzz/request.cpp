// Any bytes as a request on TCP: there is a question or a subscription, or what is wrong is said.
// What is read of a question goes the same way again as a front writes it to who is behind it.
#include <cstdint>
#include <cstdlib>

#include "collector/query/operations.h"
#include "collector/query/written_request.h"
#include "collector/serve/request.h"

using namespace virtpulse::collector;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto request = read_request(text);
    if (!request.id.is_null() && !request.id.is_number()) std::abort();
    if (const auto* fault = std::get_if<RequestFault>(&request.asks)) {
        if (fault->code.empty() || fault->message.empty()) std::abort();
    } else if (const auto* question = std::get_if<Question>(&request.asks)) {
        if (!knows_operation(question->operation)) std::abort();
        const auto members = members_of(question->operation, question->parameters);
        const auto again = read_request("{\"id\":1," + members + '}');
        const auto* same = std::get_if<Question>(&again.asks);
        if (again.id != 1 || same == nullptr || same->operation != question->operation ||
            same->parameters != question->parameters) {
            std::abort();
        }
    }
    return 0;
}
