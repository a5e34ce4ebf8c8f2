/* Signals by name, as people and pipelines write them. */
#include "base/signal_name.h"

#include "base/contract.h"

#include <signal.h>
#include <string.h>

#define SIGNAL_MAX 64 /* what a Linux kernel knows, real-time ones included */

static const struct {
	int number;
	const char *name;
} named[] = {
	{SIGHUP, "SIGHUP"},	  {SIGINT, "SIGINT"},	{SIGQUIT, "SIGQUIT"},
	{SIGILL, "SIGILL"},	  {SIGTRAP, "SIGTRAP"}, {SIGABRT, "SIGABRT"},
	{SIGBUS, "SIGBUS"},	  {SIGFPE, "SIGFPE"},	{SIGKILL, "SIGKILL"},
	{SIGUSR1, "SIGUSR1"},	  {SIGSEGV, "SIGSEGV"}, {SIGUSR2, "SIGUSR2"},
	{SIGPIPE, "SIGPIPE"},	  {SIGALRM, "SIGALRM"}, {SIGTERM, "SIGTERM"},
	{SIGCHLD, "SIGCHLD"},	  {SIGCONT, "SIGCONT"}, {SIGSTOP, "SIGSTOP"},
	{SIGTSTP, "SIGTSTP"},	  {SIGTTIN, "SIGTTIN"}, {SIGTTOU, "SIGTTOU"},
	{SIGURG, "SIGURG"},	  {SIGXCPU, "SIGXCPU"}, {SIGXFSZ, "SIGXFSZ"},
	{SIGVTALRM, "SIGVTALRM"}, {SIGPROF, "SIGPROF"}, {SIGWINCH, "SIGWINCH"},
	{SIGIO, "SIGIO"},	  {SIGSYS, "SIGSYS"},
#ifdef SIGSTKFLT
	{SIGSTKFLT, "SIGSTKFLT"},
#endif
#ifdef SIGPWR
	{SIGPWR, "SIGPWR"},
#endif
};

/* clang-format off */
#define TEN(t)                                                                 \
	"SIG" t "0", "SIG" t "1", "SIG" t "2", "SIG" t "3", "SIG" t "4",       \
	"SIG" t "5", "SIG" t "6", "SIG" t "7", "SIG" t "8", "SIG" t "9"
/* clang-format on */

/* The names of numbers without one: constant, because the caller frees none. */
static const char *const numbered[] = {
	TEN(""),  TEN("1"), TEN("2"), TEN("3"),	 TEN("4"),  TEN("5"),  TEN("6"),
	TEN("7"), TEN("8"), TEN("9"), TEN("10"), TEN("11"), TEN("12"),
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const char *flo__signal_name(int signal)
{
	for (size_t i = 0; i < COUNT(named); i++) {
		if (named[i].number == signal)
			return named[i].name;
	}
	REQUIRE(signal >= 0 && signal < (int)COUNT(numbered));
	return numbered[signal];
}

int flo__signal_parse(const char *name)
{
	const char *bare = strncmp(name, "SIG", 3) == 0 ? name + 3 : name;

	for (size_t i = 0; i < COUNT(named); i++) {
		if (strcmp(named[i].name + 3, bare) == 0)
			return named[i].number;
	}
	for (int n = 1; n <= SIGNAL_MAX; n++) {
		if (strcmp(numbered[n], name) == 0)
			return n;
	}
	return 0;
}
