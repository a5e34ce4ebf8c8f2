/* What the rest of the engine asks about panics. */
#ifndef FLO_ENGINE_PANIC_P_H
#define FLO_ENGINE_PANIC_P_H

#include <flo/panic.h>

#include <stdbool.h>

/* Whether a panic of the caller would end a flo_try(), not the process. */
bool flo__try_is_open(void);

#endif
