#include "base/contract.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static flo__contract_handler handler_installed;

void flo__contract_set_handler(flo__contract_handler handler)
{
	handler_installed = handler;
}

void flo__contract_broken(const char *kind, const char *rule,
			  const char *function, const char *file, int line)
{
	char message[512];
	int len;

	len = snprintf(message, sizeof(message),
		       "%s:%d: %s: broken contract: %s(%s)\n", file, line,
		       function, kind, rule);
	if (len > (int)sizeof(message) - 1)
		len = (int)sizeof(message) - 1;
	if (handler_installed != NULL)
		handler_installed(message);
	/* write(), not stdio: its locks may be held by the one who broke. */
	if (write(STDERR_FILENO, message, (size_t)len) < 0)
		abort();
	abort();
}
