// What a thread is called where its CPU time is looked at.
#pragma once

#include <pthread.h>

namespace virtpulse {

// Of the thread that calls it; for `top -H` and /proc. At most 15 bytes.
inline void name_thread(const char* name) {
    (void)::pthread_setname_np(::pthread_self(), name);
}

}  // namespace virtpulse
