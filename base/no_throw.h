// How coroutines wait: for an error and what was asked for, as a tuple, and never for an exception.
#pragma once

#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace virtpulse {

inline constexpr auto no_throw = boost::asio::as_tuple(boost::asio::use_awaitable);

}  // namespace virtpulse
