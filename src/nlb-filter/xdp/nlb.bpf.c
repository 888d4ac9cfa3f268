// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The share of one balanced host, as a program of XDP: what nftables decides in src/nlb-filter/ruleset.ts is decided here
 * before the kernel has made a packet of the frame. Everything else is the tables' business, which stay loaded: ARP,
 * neighbour discovery, which frames are for this host.
 *
 * A frame for a virtual address passes, or it is dropped without a word. Its owner sees the same frame.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "layout.h"
#include "maps.h"
#include "packet.h"
#include "bucket.h"
#include "connections.h"

/* A first fragment's verdict holds for the others of its datagram, not for a later one with the same number. */
#define FRAGMENT_NS (2 * SECOND)

static __always_inline int is_lease_open(void)
{
	__u32 place = POINTED;
	__u64 *pointed = bpf_map_lookup_elem(&nlb_lease, &place), *end;

	if (!pointed || *pointed == 0 || *pointed > SLOTS)
		return 0;
	place = *pointed - 1;
	end = bpf_map_lookup_elem(&nlb_lease, &place);
	return end && bpf_ktime_get_ns() < *end;
}

static __always_inline int take(__u32 number)
{
	__u64 *count = bpf_map_lookup_elem(&taken, &number);

	if (count)
		*count += 1;
	return 1;
}

static __always_inline void client_of(const struct packet *packet, const struct match *match, const struct share *share, struct client_key *key)
{
	key->number = match->number;
	key->client = packet->client;
	if (share->affinity != BY_NETWORK)
		return;
	if (packet->is_six)
		key->client.words[2] = key->client.words[3] = 0;
	else
		key->client.words[3] &= bpf_htonl(0xffffff00);
}

static __always_inline int is_listed(void *list, const struct client_key *key)
{
	__u64 *end = bpf_map_lookup_elem(list, key);

	return end && bpf_ktime_get_ns() < *end;
}

static __always_inline void stays(const struct packet *packet, const struct match *match, const struct share *share)
{
	struct client_key key;
	__u64 end = bpf_ktime_get_ns() + share->stay_ns, *known;

	client_of(packet, match, share, &key);
	known = bpf_map_lookup_elem(&staying, &key);
	if (known)
		*known = end;
	else
		bpf_map_update_elem(&staying, &key, &end, BPF_ANY);
}

/* A new connection, or a datagram, that is not certainly another host's: is it this host's? */
static __always_inline int is_mine(const struct packet *packet, const struct match *match, const struct share *share, __u32 bucket)
{
	struct client_key key;

	if (match->action == ACTION_WHOLE)
		return share->flags & ACCEPTS ? take(match->number) : 0;
	if (share->stay_ns) {
		client_of(packet, match, share, &key);
		if (is_listed(&away, &key))
			return 0;
		if (!is_listed(&staying, &key) && !has_bucket(share->owned, bucket))
			return 0;
		stays(packet, match, share);
		return take(match->number);
	}
	return has_bucket(share->owned, bucket) ? take(match->number) : 0;
}

/* Certainly another host's, without asking who has the connection. */
static __always_inline int is_foreign(const struct match *match, const struct share *share, __u32 bucket)
{
	if (match->action == ACTION_DROP)
		return 1;
	if (match->action == ACTION_WHOLE)
		return !(share->flags & (ACCEPTS | WAS_MINE));
	return !share->stay_ns && !has_bucket(share->hot, bucket);
}

/* Not static, as above. @returns the place of the rule; RULES_MAX = none covers it */
__attribute__((noinline)) __u32 find_rule(__u32 slot, __u32 port, __u32 protocol, __u32 address)
{
	struct plan *plan = bpf_map_lookup_elem(&plans, &slot);

	if (!plan)
		return RULES_MAX;
	for (__u32 at = 0; at < RULES_MAX && at < plan->rules; at++) {
		const struct match *match = &plan->matches[at];

		if (port >= match->first_port && port <= match->last_port && match->protocols & protocol && (match->address == ANY_ADDRESS || match->address == address))
			return at;
	}
	return RULES_MAX;
}

/* @returns 1 = passes */
static __always_inline int decide(struct xdp_md *context, __u32 slot, const struct plan *plan, const struct packet *packet)
{
	__u8 protocol = packet->protocol == IPPROTO_TCP ? TCP : packet->protocol == IPPROTO_UDP ? UDP : 0;
	__u8 opening = packet->tcp_flags & (FIN | SYN | RST | ACK);
	const struct match *match = NULL;
	const struct share *share = NULL;
	__u32 number = DEFAULT_NUMBER, bucket = 0;
	int mine;

	if (!(plan->flags & MEMBER))
		return 0;
	if (packet->protocol == (packet->is_six ? IPPROTO_ICMPV6 : IPPROTO_ICMP)) {
		if (!(plan->flags & FILTERS_ICMP) || packet->icmp_type != (packet->is_six ? ECHO_REQUEST_6 : ECHO_REQUEST))
			return 1;
		return plan->flags & DEFAULT_HOST ? take(DEFAULT_NUMBER) : 0;
	}
	if (protocol) {
		__u32 at = find_rule(slot, bpf_ntohs(packet->server_port), protocol, packet->address);

		if (at < RULES_MAX) {
			match = &plan->matches[at];
			share = &plan->shares[at];
			number = match->number;
			if (match->action == ACTION_SHARE)
				bucket = bucket_of(packet, share->affinity, share->seed);
		}
	}
	if (share ? is_foreign(match, share, bucket) : !(plan->flags & (DEFAULT_HOST | WAS_DEFAULT_HOST)))
		return 0;
	if (protocol == TCP && opening != SYN) {
		if (!is_open(context, packet, number * BUCKETS + (share && share->stay_ns ? 0 : bucket)))
			return 0;
		if (share && share->stay_ns)
			stays(packet, match, share);
		return 1;
	}
	mine = is_lease_open();
	if (mine)
		mine = share ? is_mine(packet, match, share, bucket) : plan->flags & DEFAULT_HOST ? take(DEFAULT_NUMBER) : 0;
	if (protocol == TCP) {
		if (mine)
			opens(packet);
		else
			opens_elsewhere(packet);
	}
	return mine;
}

static __always_inline void fragments_of(const struct packet *packet, struct fragment_key *key)
{
	key->client = packet->client;
	key->server = packet->server;
	key->identification = packet->identification;
	/* In IPv6 the later ones tell only the first of the protocols that follow. */
	key->protocol = packet->is_six ? 0 : packet->protocol;
}

static __always_inline int filter(struct xdp_md *context)
{
	void *end = (void *)(long)context->data_end;
	struct ethhdr *frame = (void *)(long)context->data;
	struct fragment_key fragments = {};
	struct packet packet = {};
	__u32 zero = 0, *slot, place;
	struct plan *plan;
	int passes, readable;

	if ((void *)(frame + 1) > end)
		return XDP_PASS;
	slot = bpf_map_lookup_elem(&active, &zero);
	if (!slot)
		return XDP_PASS;
	place = *slot & 1;
	plan = bpf_map_lookup_elem(&plans, &place);
	if (!plan)
		return XDP_PASS;
	if (frame->h_proto == bpf_htons(ETH_P_IP))
		readable = read_four(frame + 1, end, place, plan, &packet);
	else if (frame->h_proto == bpf_htons(ETH_P_IPV6))
		readable = read_six(frame + 1, end, place, plan, &packet);
	else
		return XDP_PASS;
	if (readable <= 0)
		return readable == 0 ? XDP_PASS : XDP_DROP;
	if (packet.is_later) {
		/* Without its first fragment it can do nothing: what is not known to be another's may pass. */
		__u64 *until;

		fragments_of(&packet, &fragments);
		until = bpf_map_lookup_elem(&foreign_fragments, &fragments);
		return !(plan->flags & MEMBER) || (until && bpf_ktime_get_ns() < *until) ? XDP_DROP : XDP_PASS;
	}
	passes = decide(context, place, plan, &packet);
	if (packet.has_more) {
		__u64 until = bpf_ktime_get_ns() + FRAGMENT_NS;

		fragments_of(&packet, &fragments);
		if (passes)
			bpf_map_delete_elem(&foreign_fragments, &fragments);
		else
			bpf_map_update_elem(&foreign_fragments, &fragments, &until, BPF_ANY);
	}
	return passes ? XDP_PASS : XDP_DROP;
}

/* "frags": frames may be larger than a page; what is looked at is always in the first one. Linux 5.18. */
SEC("xdp.frags")
int muster_nlb(struct xdp_md *context)
{
	return filter(context);
}

/* The kernel lets only such programs call some of its functions. */
char LICENSE[] SEC("license") = "Dual MIT/GPL";
