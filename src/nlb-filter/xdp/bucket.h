/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Which bucket a client is in. */
#ifndef MUSTER_NLB_BUCKET
#define MUSTER_NLB_BUCKET

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "layout.h"
#include "packet.h"

static __always_inline __u32 rotate(__u32 value, int bits)
{
	return value << bits | value >> (32 - bits);
}

/* Jenkins' lookup3 as the kernel's jhash has it, and so nftables and src/nlb/hash.ts. */
static __always_inline __u32 finish(__u32 a, __u32 b, __u32 c)
{
	c ^= b; c -= rotate(b, 14);
	a ^= c; a -= rotate(c, 11);
	b ^= a; b -= rotate(a, 25);
	c ^= b; c -= rotate(b, 16);
	a ^= c; a -= rotate(c, 4);
	b ^= a; b -= rotate(a, 14);
	c ^= b; c -= rotate(b, 24);
	return c;
}

/*
 * Not static: the kernel's verifier looks at it once, not at each call and after each path to it. The argument is never
 * NULL, which the verifier wants to see.
 */
__attribute__((noinline)) __u32 bucket_of(const struct packet *packet, __u32 affinity, __u32 seed)
{
	const __u32 *words;
	__u32 bytes, a, b, c;

	if (!packet)
		return 0;
	words = packet->client.words;
	if (!packet->is_six)
		bytes = affinity == BY_PORT ? 8 : affinity == BY_CLIENT ? 4 : 3;
	else
		bytes = affinity == BY_PORT ? 20 : affinity == BY_CLIENT ? 16 : 8;
	a = b = c = 0xdeadbeef + bytes + seed;
	if (!packet->is_six) {
		a += affinity == BY_NETWORK ? words[3] & bpf_htonl(0xffffff00) : words[3];
		if (affinity == BY_PORT)
			b += packet->client_port;
	} else {
		a += words[0];
		b += words[1];
		if (affinity != BY_NETWORK) {
			c += words[2];
			a -= c; a ^= rotate(c, 4); c += b;
			b -= a; b ^= rotate(a, 6); a += c;
			c -= b; c ^= rotate(b, 8); b += a;
			a -= c; a ^= rotate(c, 16); c += b;
			b -= a; b ^= rotate(a, 19); a += c;
			c -= b; c ^= rotate(b, 4); b += a;
			a += words[3];
			if (affinity == BY_PORT)
				b += packet->client_port;
		}
	}
	return (__u64)finish(a, b, c) * BUCKETS >> 32;
}

static __always_inline int has_bucket(const __u64 *words, __u32 bucket)
{
	/* The compiler knows how high a bucket can be and would leave the mask out, which the verifier wants to see. */
	asm volatile("" : "+r"(bucket));
	return words[bucket >> 6 & (BUCKET_WORDS - 1)] >> (bucket & 63) & 1;
}

#endif
