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
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "layout.h"

#define SECOND 1000000000ULL
/* As long as the kernel keeps connections that nobody says anything on, and those that are over. */
#define IDLE_NS (432000 * SECOND)
#define CLOSED_NS (120 * SECOND)
/* A first fragment's verdict holds for the others of its datagram, not for a later one with the same number. */
#define FRAGMENT_NS (2 * SECOND)
#define EXTENSIONS_MAX 6

/* <linux/icmp.h> and others draw in headers of the C library, which this target has not. */
#define ECHO_REQUEST 8
#define ECHO_REQUEST_6 128
#define ROUTER_ADVERTISEMENT 134
#define NEIGHBOUR_SOLICITATION 135
#define NEIGHBOUR_ADVERTISEMENT 136
#define FRAGMENT_OFFSET 0x1fff
#define MORE_FRAGMENTS 0x2000

/* Two configurations, of which `active` tells the one in force: a change is one word. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct plan);
} plans SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} active SEC(".maps");

/* Virtual addresses of both configurations, and their places in the list. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * ADDRESSES_MAX);
	__type(key, struct address_key);
	__type(value, __u32);
} addresses SEC(".maps");

/* Ends of the slots on CLOCK_MONOTONIC; which one is pointed at, from 1, 0 = none; the life that loaded this. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LEASE_PLACES);
	__type(key, __u32);
	__type(value, __u64);
} nlb_lease SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 262144);
	__type(key, struct connection);
	__type(value, struct connection_state);
} connections SEC(".maps");

/*
 * Since when a part of a rule may have connections here; 0 = since the program came. What was opened before is over: it
 * was a while in which nobody looked at the SYNs of that part, and another host may have the same ports by now.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PARTS);
	__type(key, __u32);
	__type(value, __u64);
} hot_since SEC(".maps");

/* Clients who stay with this host, and until when. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 131072);
	__type(key, struct client_key);
	__type(value, __u64);
} staying SEC(".maps");

/* Clients whose bucket is this host's and who stay with another. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 262144);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct client_key);
	__type(value, __u64);
} away SEC(".maps");

/* Datagrams in fragments whose first one was another host's, and until when that is known. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct fragment_key);
	__type(value, __u64);
} foreign_fragments SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} taken SEC(".maps");

struct packet {
	struct address client, server;
	__u32 identification;
	__u32 sequence;
	__u16 client_port, server_port;
	__u8 is_six, protocol, is_later, has_more;
	__u8 tcp_flags, icmp_type;
	__u8 address;
	__u8 unused;
};

enum tcp_flags { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

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

static __always_inline void connection_of(const struct packet *packet, struct connection *key)
{
	key->client = packet->client;
	key->server = packet->server;
	key->client_port = packet->client_port;
	key->server_port = packet->server_port;
}

/* The kernel's own table: what was open before this program came, or has been pushed out of the map. */
static __always_inline int has_socket(struct xdp_md *context, const struct packet *packet)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *socket;
	int is_open;

	if (packet->is_six) {
		__builtin_memcpy(tuple.ipv6.saddr, packet->client.words, sizeof(tuple.ipv6.saddr));
		__builtin_memcpy(tuple.ipv6.daddr, packet->server.words, sizeof(tuple.ipv6.daddr));
		tuple.ipv6.sport = packet->client_port;
		tuple.ipv6.dport = packet->server_port;
		socket = bpf_skc_lookup_tcp(context, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
	} else {
		tuple.ipv4.saddr = packet->client.words[3];
		tuple.ipv4.daddr = packet->server.words[3];
		tuple.ipv4.sport = packet->client_port;
		tuple.ipv4.dport = packet->server_port;
		socket = bpf_skc_lookup_tcp(context, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	}
	if (!socket)
		return 0;
	is_open = socket->state != BPF_TCP_LISTEN;
	bpf_sk_release(socket);
	return is_open;
}

/* A packet of TCP that opens nothing: is its connection open here? */
static __always_inline int is_open(struct xdp_md *context, const struct packet *packet, __u32 part)
{
	struct connection key = {};
	struct connection_state *known, found = { .state = OPEN };
	__u64 *since, now = bpf_ktime_get_ns();
	int ends = packet->tcp_flags & (FIN | RST);

	connection_of(packet, &key);
	known = bpf_map_lookup_elem(&connections, &key);
	if (known && known->state == TAKEN_OVER)
		return 0;
	since = bpf_map_lookup_elem(&hot_since, &part);
	if (known && since && known->opened_ns >= *since && now - known->seen_ns < (known->state == CLOSING ? CLOSED_NS : IDLE_NS)) {
		known->seen_ns = now;
		if (ends)
			known->state = CLOSING;
		return 1;
	}
	if (!has_socket(context, packet))
		return 0;
	found.opened_ns = found.seen_ns = now;
	if (ends)
		found.state = CLOSING;
	bpf_map_update_elem(&connections, &key, &found, BPF_ANY);
	return 1;
}

static __always_inline void opens(const struct packet *packet)
{
	struct connection key = {};
	struct connection_state state = { .first_sequence = packet->sequence, .state = OPEN };

	state.opened_ns = state.seen_ns = bpf_ktime_get_ns();
	connection_of(packet, &key);
	bpf_map_update_elem(&connections, &key, &state, BPF_ANY);
}

/*
 * Another host answers this SYN, so what was open here under the same ports is over. Not so when it is the SYN of that
 * very connection, which came twice.
 */
static __always_inline void opens_elsewhere(const struct packet *packet)
{
	struct connection key = {};
	struct connection_state *known;

	connection_of(packet, &key);
	known = bpf_map_lookup_elem(&connections, &key);
	if (known && known->first_sequence != packet->sequence)
		known->state = TAKEN_OVER;
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

/* @returns 0 = not for a virtual address, or for every host; 1 = to be decided; -1 = cannot be read */
static __always_inline int read_ports(void *at, void *end, struct packet *packet)
{
	if (packet->protocol == IPPROTO_TCP) {
		struct tcphdr *tcp = at;

		if ((void *)(tcp + 1) > end)
			return -1;
		packet->client_port = tcp->source;
		packet->server_port = tcp->dest;
		packet->sequence = tcp->seq;
		packet->tcp_flags = ((__u8 *)tcp)[13];
	} else if (packet->protocol == IPPROTO_UDP) {
		struct udphdr *udp = at;

		if ((void *)(udp + 1) > end)
			return -1;
		packet->client_port = udp->source;
		packet->server_port = udp->dest;
	} else if (packet->protocol == (packet->is_six ? IPPROTO_ICMPV6 : IPPROTO_ICMP)) {
		if (at + 1 > end)
			return -1;
		packet->icmp_type = *(__u8 *)at;
		if (packet->is_six && (packet->icmp_type == NEIGHBOUR_SOLICITATION || packet->icmp_type == NEIGHBOUR_ADVERTISEMENT || packet->icmp_type == ROUTER_ADVERTISEMENT))
			return 0;
	}
	return 1;
}

static __always_inline int find_address(__u32 slot, const struct plan *plan, struct packet *packet)
{
	const __u32 *first = plan->first.words, *server = packet->server.words;
	struct address_key key = { .slot = slot, .address = packet->server };
	__u32 *place;

	if (server[3] == first[3] && server[2] == first[2] && server[1] == first[1] && server[0] == first[0])
		return 1;
	place = bpf_map_lookup_elem(&addresses, &key);
	if (!place)
		return 0;
	packet->address = *place;
	return 1;
}

static __always_inline int read_four(void *at, void *end, __u32 slot, const struct plan *plan, struct packet *packet)
{
	struct iphdr *ip = at;
	__u16 fragment;

	if ((void *)(ip + 1) > end)
		return 0;
	packet->server.words[2] = packet->client.words[2] = bpf_htonl(0xffff);
	packet->server.words[3] = ip->daddr;
	if (!find_address(slot, plan, packet))
		return 0;
	if (ip->ihl < 5)
		return -1;
	packet->client.words[3] = ip->saddr;
	packet->protocol = ip->protocol;
	packet->identification = ip->id;
	fragment = bpf_ntohs(ip->frag_off);
	packet->is_later = (fragment & FRAGMENT_OFFSET) != 0;
	packet->has_more = (fragment & MORE_FRAGMENTS) != 0;
	return packet->is_later ? 1 : read_ports(at + ip->ihl * 4, end, packet);
}

struct extension {
	__u8 next, units;
	__u16 offset;
	__u32 identification;
};

static __always_inline int read_six(void *at, void *end, __u32 slot, const struct plan *plan, struct packet *packet)
{
	struct ipv6hdr *ip = at;

	if ((void *)(ip + 1) > end)
		return 0;
	packet->is_six = 1;
	__builtin_memcpy(&packet->server, &ip->daddr, sizeof(packet->server));
	if (!find_address(slot, plan, packet))
		return 0;
	__builtin_memcpy(&packet->client, &ip->saddr, sizeof(packet->client));
	packet->protocol = ip->nexthdr;
	at = ip + 1;
	for (int count = 0; count < EXTENSIONS_MAX; count++) {
		struct extension *extension = at;
		__u8 kind = packet->protocol;

		if (kind != IPPROTO_HOPOPTS && kind != IPPROTO_ROUTING && kind != IPPROTO_DSTOPTS && kind != IPPROTO_FRAGMENT && kind != IPPROTO_AH)
			return read_ports(at, end, packet);
		if ((void *)(extension + 1) > end)
			return -1;
		packet->protocol = extension->next;
		if (kind == IPPROTO_FRAGMENT) {
			__u16 offset = bpf_ntohs(extension->offset);

			packet->identification = extension->identification;
			packet->is_later = (offset & 0xfff8) != 0;
			packet->has_more = offset & 1;
			if (packet->is_later)
				return 1;
			at += 8;
		} else {
			at += kind == IPPROTO_AH ? (extension->units + 2) * 4 : (extension->units + 1) * 8;
		}
	}
	return -1;
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
