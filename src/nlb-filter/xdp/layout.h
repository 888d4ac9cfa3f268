/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What the program and src/nlb-filter/xdp-config.ts agree on. Numbers are in the order of the machine unless said
 * otherwise; an IPv4 address is written as ::ffff:a.b.c.d, so that both families fit one key.
 */
#ifndef MUSTER_NLB_LAYOUT
#define MUSTER_NLB_LAYOUT

#define BUCKETS 240
#define BUCKET_WORDS 4
#define RULES_MAX 64
#define ADDRESSES_MAX 64
#define ANY_ADDRESS 0xff
/* The number under which is counted what no rule covers. */
#define DEFAULT_NUMBER RULES_MAX
#define COUNTERS (RULES_MAX + 1)
/* Places of the map `hot_since`: a row for each number, where what has no buckets uses the first place. */
#define PARTS (COUNTERS * BUCKETS)
#define SLOTS 8
/* Places of the map `lease`: an end for each slot, then these. */
#define POINTED SLOTS
#define LIFE (SLOTS + 1)
#define LEASE_PLACES (SLOTS + 2)

enum protocols { TCP = 1, UDP = 2 };
enum actions { ACTION_DROP, ACTION_WHOLE, ACTION_SHARE };
enum affinities { BY_PORT, BY_CLIENT, BY_NETWORK };
enum rule_flags { ACCEPTS = 1, WAS_MINE = 2 };
enum plan_flags { MEMBER = 1, DEFAULT_HOST = 2, WAS_DEFAULT_HOST = 4, FILTERS_ICMP = 8 };

struct address {
	__u32 words[4]; /* in the order of the network */
};

struct address_key {
	__u32 slot; /* of the configuration */
	struct address address;
};

/* What is looked through for each packet: small, one after the other. */
struct match {
	__u16 first_port, last_port;
	__u8 protocols;
	__u8 address; /* place in the list of virtual addresses, or ANY_ADDRESS */
	__u8 action;
	__u8 number; /* of its counter, and in `staying` and `away` */
};

struct share {
	__u32 seed;
	__u8 affinity;
	__u8 flags;
	__u16 unused;
	__u64 stay_ns; /* 0 = no extended affinity */
	__u64 owned[BUCKET_WORDS];
	__u64 hot[BUCKET_WORDS]; /* owned, or lost recently */
};

struct plan {
	__u32 rules;
	__u32 flags;
	/* The first virtual address, which most packets are for. */
	struct address first;
	struct match matches[RULES_MAX];
	struct share shares[RULES_MAX];
};

struct connection {
	struct address client, server;
	__u16 client_port, server_port; /* in the order of the network */
};

enum connection_states { OPEN, CLOSING, TAKEN_OVER };

struct connection_state {
	__u64 opened_ns;
	__u64 seen_ns;
	__u32 first_sequence; /* of the SYN; 0 = not known */
	__u32 state;
};

struct client_key {
	__u32 number; /* of the rule */
	struct address client; /* or its network */
};

struct fragment_key {
	struct address client, server;
	__u32 identification;
	__u32 protocol;
};

#endif
