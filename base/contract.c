#include "base/contract.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static flo__contract_handler handler_installed;

void flo__contract_set_handler(flo__contract_handler handler)
{
	handler_installed = handler;
}

static void give_up(const char *message, int len) FLO_NORETURN;

static void give_up(const char *message, int len)
{
	if (handler_installed != NULL)
		handler_installed(message);
	/* write(), not stdio: its locks may be held by the one who broke. */
	if (write(STDERR_FILENO, message, (size_t)len) < 0)
		abort();
	abort();
}

static int at_most(int len, size_t size)
{
	return len > (int)size - 1 ? (int)size - 1 : len;
}

void flo__contract_broken(const char *kind, const char *rule,
			  const char *function, const char *file, int line)
{
	char message[512];
	int len;

	len = snprintf(message, sizeof(message),
		       "%s:%d: %s: broken contract: %s(%s)\n", file, line,
		       function, kind, rule);
	give_up(message, at_most(len, sizeof(message)));
}

void flo__contract_rule_broken(const char *rule, const char *function,
			       const char *file, int line)
{
	char message[512];
	int len;

	len = snprintf(message, sizeof(message),
		       "%s:%d: %s: broken contract: %s\n", file, line, function,
		       rule);
	give_up(message, at_most(len, sizeof(message)));
}
