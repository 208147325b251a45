#include "base/blake3.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#if defined(__GNUC__) && !defined(__clang__)
// GCC's analyzer takes a vector for its number of words and does not see what is stored through
// one.
#pragma GCC diagnostic ignored "-Wanalyzer-shift-count-overflow"
#pragma GCC diagnostic ignored "-Wanalyzer-use-of-uninitialized-value"
#endif

enum { BLOCK = 64, LANES = 8 };
#define CHUNK ((size_t)1024)

enum flag { CHUNK_START = 1, CHUNK_END = 2, PARENT = 4, ROOT = 8 };

// One word of LANES chunks that are hashed side by side. The compiler makes SIMD of it.
typedef uint32_t lanes __attribute__((vector_size(4 * LANES)));

static const uint32_t iv[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                               0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

// The message word that each step of each round takes: the identity, then the permutation of the
// paper's table 2 applied again and again.
static const unsigned char schedule[7][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8},
    {3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1},
    {10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6},
    {12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4},
    {9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7},
    {11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13},
};

// These work on words and on lanes alike.
#define ROTATE(x, n) ((x) >> (n) | (x) << (32 - (n)))
#define MIX(v, a, b, c, d, x, y)              \
    do {                                      \
        (v)[a] += (v)[b] + (x);               \
        (v)[d] = ROTATE((v)[d] ^ (v)[a], 16); \
        (v)[c] += (v)[d];                     \
        (v)[b] = ROTATE((v)[b] ^ (v)[c], 12); \
        (v)[a] += (v)[b] + (y);               \
        (v)[d] = ROTATE((v)[d] ^ (v)[a], 8);  \
        (v)[c] += (v)[d];                     \
        (v)[b] = ROTATE((v)[b] ^ (v)[c], 7);  \
    } while (0)
#define ROUND(v, m, s)                                    \
    do {                                                  \
        MIX(v, 0, 4, 8, 12, (m)[(s)[0]], (m)[(s)[1]]);    \
        MIX(v, 1, 5, 9, 13, (m)[(s)[2]], (m)[(s)[3]]);    \
        MIX(v, 2, 6, 10, 14, (m)[(s)[4]], (m)[(s)[5]]);   \
        MIX(v, 3, 7, 11, 15, (m)[(s)[6]], (m)[(s)[7]]);   \
        MIX(v, 0, 5, 10, 15, (m)[(s)[8]], (m)[(s)[9]]);   \
        MIX(v, 1, 6, 11, 12, (m)[(s)[10]], (m)[(s)[11]]); \
        MIX(v, 2, 7, 8, 13, (m)[(s)[12]], (m)[(s)[13]]);  \
        MIX(v, 3, 4, 9, 14, (m)[(s)[14]], (m)[(s)[15]]);  \
    } while (0)

static inline uint32_t load(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void store(unsigned char *p, const uint32_t words[8])
{
    for (size_t i = 0; i < 32; i++)
        p[i] = (unsigned char)(words[i / 4] >> (i % 4 * 8));
}

static void compress(uint32_t cv[8], const unsigned char *block, unsigned size, uint64_t counter,
                     unsigned flags)
{
    uint32_t m[16], v[16];
    for (size_t i = 0; i < 16; i++)
        m[i] = load(block + 4 * i);
    memcpy(v, cv, 32);
    memcpy(v + 8, iv, 16);
    v[12] = (uint32_t)counter;
    v[13] = (uint32_t)(counter >> 32);
    v[14] = size;
    v[15] = flags;
#pragma GCC unroll 7
    for (size_t round = 0; round < 7; round++)
        ROUND(v, m, schedule[round]);
    for (size_t i = 0; i < 8; i++)
        cv[i] = v[i] ^ v[i + 8];
}

// Chaining values of LANES whole chunks, of which counter is the first.
static inline __attribute__((always_inline)) void
hash_chunks_body(const unsigned char *data, uint64_t counter, uint32_t cvs[LANES][8])
{
    lanes cv[8], low = {0}, high = {0};
    for (size_t i = 0; i < 8; i++)
        cv[i] = (lanes){0} + iv[i];
    for (unsigned lane = 0; lane < LANES; lane++) {
        low[lane] = (uint32_t)(counter + lane);
        high[lane] = (uint32_t)((counter + lane) >> 32);
    }
    for (size_t at = 0; at < CHUNK; at += BLOCK) {
        lanes m[16], v[16];
        for (size_t i = 0; i < 16; i++) {
            const unsigned char *p = data + at + 4 * i;
            m[i] = (lanes){load(p),
                           load(p + CHUNK),
                           load(p + 2 * CHUNK),
                           load(p + 3 * CHUNK),
                           load(p + 4 * CHUNK),
                           load(p + 5 * CHUNK),
                           load(p + 6 * CHUNK),
                           load(p + 7 * CHUNK)};
        }
        for (size_t i = 0; i < 8; i++)
            v[i] = cv[i];
        for (size_t i = 0; i < 4; i++)
            v[i + 8] = (lanes){0} + iv[i];
        v[12] = low;
        v[13] = high;
        v[14] = (lanes){0} + BLOCK;
        v[15] = (lanes){0} + (at == 0 ? CHUNK_START : at == CHUNK - BLOCK ? CHUNK_END : 0);
#pragma GCC unroll 7
        for (size_t round = 0; round < 7; round++)
            ROUND(v, m, schedule[round]);
        for (size_t i = 0; i < 8; i++)
            cv[i] = v[i] ^ v[i + 8];
    }
    for (unsigned lane = 0; lane < LANES; lane++)
        for (size_t i = 0; i < 8; i++)
            cvs[lane][i] = cv[i][lane];
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void
hash_chunks_avx2(const unsigned char *data, uint64_t counter, uint32_t cvs[LANES][8])
{
    hash_chunks_body(data, counter, cvs);
}
#endif

static void hash_chunks(const unsigned char *data, uint64_t counter, uint32_t cvs[LANES][8])
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        hash_chunks_avx2(data, counter, cvs);
        return;
    }
#endif
    hash_chunks_body(data, counter, cvs);
}

// left becomes the parent of left and right.
static void merge(uint32_t left[8], const uint32_t right[8], unsigned flags)
{
    unsigned char block[BLOCK];
    store(block, left);
    store(block + 32, right);
    memcpy(left, iv, sizeof iv);
    compress(left, block, BLOCK, 0, PARENT | flags);
}

// Merges equal subtrees, after which the stack mirrors the binary form of the number of chunks.
// Only called when more data follows: the last merge of all is the root's and has its own flag.
static void settle(struct blake3 *hash)
{
    while (hash->depth > (unsigned)__builtin_popcountll(hash->chunks)) {
        hash->depth--;
        merge(hash->subtrees[hash->depth - 1], hash->subtrees[hash->depth], 0);
    }
}

static void push(struct blake3 *hash, const uint32_t cv[8])
{
    settle(hash);
    assert(hash->depth < BLAKE3_DEPTH_MAX);
    memcpy(hash->subtrees[hash->depth++], cv, 32);
    hash->chunks++;
}

static void start_chunk(struct blake3 *hash)
{
    memcpy(hash->chunk, iv, sizeof iv);
    hash->block_size = hash->chunk_size = 0;
}

static unsigned start_flag(const struct blake3 *hash)
{
    return hash->chunk_size <= BLOCK ? CHUNK_START : 0;
}

static void end_chunk(const struct blake3 *hash, uint32_t cv[8], unsigned flags)
{
    unsigned char block[BLOCK] = {0};
    memcpy(block, hash->block, hash->block_size);
    memcpy(cv, hash->chunk, 32);
    compress(cv, block, hash->block_size, hash->chunks, start_flag(hash) | CHUNK_END | flags);
}

void blake3_init(struct blake3 *hash)
{
    hash->chunks = 0;
    hash->depth = 0;
    start_chunk(hash);
}

// Takes what fits into the current block, which is compressed only when more follows.
static size_t fill_block(struct blake3 *hash, const unsigned char *data, size_t size)
{
    if (hash->block_size == BLOCK) {
        compress(hash->chunk, hash->block, BLOCK, hash->chunks, start_flag(hash));
        hash->block_size = 0;
    }
    size_t take = BLOCK - hash->block_size;
    if (take > size)
        take = size;
    memcpy(hash->block + hash->block_size, data, take);
    hash->block_size += (unsigned)take;
    hash->chunk_size += (unsigned)take;
    return take;
}

void blake3_update(struct blake3 *hash, const void *data, size_t size)
{
    const unsigned char *p = data;
    while (size > 0) {
        uint32_t cvs[LANES][8];
        if (hash->chunk_size == CHUNK) {
            end_chunk(hash, cvs[0], 0);
            push(hash, cvs[0]);
            start_chunk(hash);
        }
        size_t taken = LANES * CHUNK;
        if (hash->chunk_size == 0 && size >= taken) {
            hash_chunks(p, hash->chunks, cvs);
            for (size_t i = 0; i < LANES; i++)
                push(hash, cvs[i]);
        } else {
            settle(hash);
            taken = fill_block(hash, p, size);
        }
        p += taken;
        size -= taken;
    }
}

void blake3_final(const struct blake3 *hash, unsigned char digest[BLAKE3_BYTES])
{
    uint32_t cv[8], left[8];
    unsigned depth = hash->depth;
    bool in_chunk = hash->chunk_size > 0 || depth == 0;
    if (in_chunk)
        end_chunk(hash, cv, depth == 0 ? ROOT : 0);
    else
        memcpy(cv, hash->subtrees[--depth], 32);
    while (depth > 0) {
        memcpy(left, hash->subtrees[--depth], 32);
        merge(left, cv, depth == 0 ? ROOT : 0);
        memcpy(cv, left, 32);
    }
    store(digest, cv);
}

void blake3_final_hex(const struct blake3 *hash, char hex[BLAKE3_HEX_BYTES])
{
    unsigned char digest[BLAKE3_BYTES];
    blake3_final(hash, digest);
    for (size_t i = 0; i < BLAKE3_BYTES; i++) {
        hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    hex[BLAKE3_HEX_BYTES - 1] = '\0';
}

void blake3_digest(const void *data, size_t size, unsigned char digest[BLAKE3_BYTES])
{
    struct blake3 hash;
    blake3_init(&hash);
    blake3_update(&hash, data, size);
    blake3_final(&hash, digest);
}
