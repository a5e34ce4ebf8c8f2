# Who yielded, or whose park was called off, is queued without a word.
/^static void requeue/,/^}/s/if \(overtaken/if (false \&\& overtaken/
