#include "steps/http/http_p.h"

#include <time.h>

static bool is_pending(void)
{
	sigset_t set;

	return sigpending(&set) == 0 && sigismember(&set, SIGPIPE) == 1;
}

void flo__http_hush(struct flo__http_hush *hush)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	hush->pending = is_pending();
	pthread_sigmask(SIG_BLOCK, &set, &hush->before);
}

void flo__http_unhush(const struct flo__http_hush *hush)
{
	static const struct timespec at_once = {0};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	if (!hush->pending && is_pending())
		(void)sigtimedwait(&set, NULL, &at_once);
	pthread_sigmask(SIG_SETMASK, &hush->before, NULL);
}
