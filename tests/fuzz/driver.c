/* SPDX-License-Identifier: GPL-3.0-or-later */
/* main() for a libFuzzer target where there is no libFuzzer: runs every file of its corpus
 * directory and fixed mutants of each, and prints TAP. fuzz_x has the corpus tests/fuzz/corpus_x.
 * With arguments it runs just those files.
 *
 * The input being run lies in <program>.input, so a crash leaves its cause behind. */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MUTANTS = 200, MAX_SIZE = 1 << 16, SECONDS = 30 };

typedef struct bytes {
    uint8_t data[MAX_SIZE];
    size_t size;
} bytes;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char current[4096]; /* path of the input being run */

static uint32_t draw(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static int load(const char *path, bytes *b)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return -1;
    b->size = fread(b->data, 1, sizeof b->data, f);
    fclose(f);
    return 0;
}

/* Ends the process, not the test, on a crash or a hang: the TAP plan is then missing. */
static void run(const bytes *b)
{
    FILE *f = fopen(current, "wb");
    if (!f || fwrite(b->data, 1, b->size, f) != b->size || fclose(f)) {
        printf("Bail out! cannot write %s\n", current);
        exit(1);
    }
    /* Exactly as long as the input, so that a sanitizer sees a read past its end. */
    uint8_t *exact = malloc(b->size ? b->size : 1);
    if (!exact) {
        printf("Bail out! out of memory\n");
        exit(1);
    }
    memcpy(exact, b->data, b->size);
    alarm(SECONDS);
    LLVMFuzzerTestOneInput(exact, b->size);
    alarm(0);
    free(exact);
}

/* Inserts a copy of the n bytes at `from` before `to`. */
static void copy_within(bytes *b, size_t to, size_t from, size_t n)
{
    if (b->size + n > sizeof b->data)
        return;
    uint8_t *part = malloc(n ? n : 1);
    if (!part)
        return;
    memcpy(part, b->data + from, n);
    memmove(b->data + to + n, b->data + to, b->size - to);
    memcpy(b->data + to, part, n);
    b->size += n;
    free(part);
}

static void mutate(bytes *b, uint32_t *state)
{
    static const uint8_t special[] = { 0,  1,  9,   10,  32,  34,  35,  39,  40, 41,
                                       42, 44, 45,  46,  47,  48,  57,  61,  64, 91,
                                       93, 94, 101, 126, 127, 128, 192, 239, 255 };
    for (uint32_t edits = 1 + draw(state) % 4; edits; edits--) {
        const size_t at = b->size ? draw(state) % b->size : 0;
        const size_t room = b->size - at, n = room ? 1 + draw(state) % (room < 40 ? room : 40) : 0;
        switch (b->size ? draw(state) % 5 : 5) {
        case 0:
            b->data[at] ^= (uint8_t)(1u << draw(state) % 8);
            break;
        case 1:
            b->data[at] = special[draw(state) % sizeof special];
            break;
        case 2:
            memmove(b->data + at, b->data + at + n, room - n);
            b->size -= n;
            break;
        case 3:
            copy_within(b, draw(state) % b->size, at, n);
            break;
        case 4:
            if (draw(state) % 4 == 0)
                b->size = at;
            break;
        default:
            b->data[b->size++] = special[draw(state) % sizeof special];
        }
    }
}

static int run_file(const char *path, int n_mutants)
{
    static bytes original, mutant;
    if (load(path, &original))
        return -1;
    run(&original);
    uint32_t state = 2463534242u;
    for (int i = 0; i < n_mutants; i++) {
        mutant = original;
        mutate(&mutant, &state);
        run(&mutant);
    }
    return 0;
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    snprintf(current, sizeof current, "%s.input", argv[0]);
    for (int i = 1; i < argc; i++) {
        if (run_file(argv[i], 0)) {
            fprintf(stderr, "%s: cannot read\n", argv[i]);
            return 2;
        }
    }
    if (argc > 1)
        return 0;

    const char *source = getenv("top_src"), *name = strrchr(argv[0], '_');
    char corpus[4096], path[8192];
    snprintf(corpus, sizeof corpus, "%s/tests/fuzz/corpus_%s", source ? source : ".",
             name ? name + 1 : "");
    struct dirent **entry;
    const int n = scandir(corpus, &entry, visible, alphasort);
    if (n <= 0) {
        printf("Bail out! nothing in %s\n", corpus);
        return 1;
    }
    printf("1..%d\n", n);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", corpus, entry[i]->d_name);
        const int failed = run_file(path, MUTANTS);
        printf("%s %d - %s and %d mutants\n", failed ? "not ok" : "ok", i + 1, entry[i]->d_name,
               (int)MUTANTS);
        fflush(stdout);
        free(entry[i]);
    }
    free(entry);
    remove(current);
    return 0;
}
