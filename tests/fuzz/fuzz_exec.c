/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as what the program of check --exec writes: the same answers, and the same end, in
 * whatever pieces they come; and an answer sent as a request is read again the same.
 *
 * The first byte says how many variables there are, in which format, and how long the pieces are. */
#define _POSIX_C_SOURCE 200809L
#include "../../tools/callback.c"

#include "../../tools/exec.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the rest of the command has; none of it is called. */
int cmd_fail(const cmd *o, const gpf_diag *why, size_t shown, size_t total)
{
    (void)o, (void)why, (void)shown, (void)total;
    return GPF_OUTCOME_TROUBLE;
}
int cmd_fail_status(const cmd *o, int status, const gpf_diag *why)
{
    (void)status;
    return cmd_fail(o, why, 0, 0);
}
int cmd_failf(const cmd *o, int status, const char *text, ...)
{
    (void)text;
    return cmd_fail_status(o, status, NULL);
}
int cmd_usage(const cmd *o, const char *text, const char *arg)
{
    (void)text, (void)arg;
    return cmd_fail_status(o, 0, NULL);
}
int cmd_use_color(const cmd *o)
{
    (void)o;
    return 0;
}
int cmd_interrupted(void)
{
    return 0;
}
void cmd_watch_interrupt(void)
{
}
double cmd_now(void)
{
    return 0;
}
cmd_progress cmd_progress_start(const cmd *o)
{
    (void)o;
    return (cmd_progress){ 0 };
}
int cmd_progress_show(void *progress, size_t done, size_t total)
{
    (void)progress, (void)done, (void)total;
    return 0;
}
void cmd_progress_end(const cmd_progress *p)
{
    (void)p;
}
int plugin_check(const cmd *o, callback_input *in)
{
    (void)in;
    return cmd_fail_status(o, 0, NULL);
}
void guard_die_with(long parent)
{
    (void)parent;
}

static void must(int condition)
{
    if (!condition)
        abort();
}

/* p->got is exactly as long as what is in it, so that a sanitizer sees a read past its end. */
static void feed(program *p, const uint8_t *data, size_t size)
{
    char *exact = malloc(p->n_got + size + 1);
    must(exact != NULL);
    memcpy(exact, p->n_got ? p->got : "", p->n_got);
    memcpy(exact + p->n_got, data, size);
    exact[p->n_got + size] = '\0';
    free(p->got);
    p->got = exact;
    p->n_got += size;
}

/* All answers in the bytes, which come in pieces; returns how they end: 0 for no more of them. */
static int answers(const cmd *o, size_t n, const uint8_t *data, size_t size, size_t piece,
                   numbers *all)
{
    program p = { .o = o, .n = n, .in = -1, .from = -1 };
    int status, end = 0;
    for (;;) {
        status = p.n_got ? formats[o->exec_format].take(&p, end) : GSL_CONTINUE;
        if (status == GSL_SUCCESS) {
            must(p.answer.n == n + 1);
            for (size_t i = 0; i <= n; i++)
                must(!numbers_add(all, p.answer.x[i]));
            p.answers++;
        } else if (status != GSL_CONTINUE || end) {
            break;
        } else {
            const size_t more = size < piece ? size : piece;
            end = more == 0;
            feed(&p, data, more);
            data += more;
            size -= more;
        }
    }
    must(status == GSL_CONTINUE ? p.why.status == 0 : p.why.status == status && p.why.text[0]);
    free(p.got);
    free(p.answer.x);
    return status == GSL_CONTINUE ? 0 : status;
}

static int same(double x, double y)
{
    return !memcmp(&x, &y, sizeof x) || (isnan(x) && isnan(y));
}

static void send_and_read(const cmd *o, size_t n, const double *x)
{
    program p = { .o = o, .n = n, .in = -1, .from = -1 };
    numbers again = { 0 };
    must(!formats[o->exec_format].ask(&p, x));
    must(!answers(o, n - 1, (const uint8_t *)p.request, p.request_size, p.request_size, &again));
    must(again.n == n);
    for (size_t i = 0; i < n; i++)
        must(same(x[i], again.x[i]));
    free(again.x);
    free(p.request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const size_t n = 1 + (*data & 3), piece = 1 + (*data >> 3 & 7);
    const cmd o = { .exec = "fuzz", .exec_format = *data >> 2 & 1 ? CMD_NPY : CMD_LINES };
    numbers whole = { 0 }, pieces = { 0 };
    data++;
    size--;
    const int status = answers(&o, n, data, size, size, &whole);
    must(answers(&o, n, data, size, piece, &pieces) == status && pieces.n == whole.n);
    for (size_t i = 0; i < whole.n; i++)
        must(same(whole.x[i], pieces.x[i]));
    for (size_t i = 0; i < whole.n; i += n + 1)
        send_and_read(&o, n + 1, whole.x + i);
    free(whole.x);
    free(pieces.x);
    return 0;
}
