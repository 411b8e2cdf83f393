// Catch2 3 (Debian 13) under the name and with the names that Catch2 2 (Debian 12) has.
#pragma once

#include <catch2/catch_all.hpp>

using Catch::Approx;
namespace Catch {
using Matchers::UnorderedEquals;
}
