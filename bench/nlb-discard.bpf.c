// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* Makes each frame that the kernel hands it another client's, then lets the filter, the stack or nobody see it. */
#include "../src/nlb-filter/xdp/nlb.bpf.c"

#define CLIENT (14 + 12)
#define CLIENT_PORT (14 + 20)

static __always_inline int vary(struct xdp_md *context)
{
	void *data = (void *)(long)context->data;

	if (data + CLIENT_PORT + 2 > (void *)(long)context->data_end)
		return 0;
	*(__u16 *)(data + CLIENT + 2) = bpf_get_prandom_u32();
	*(__u16 *)(data + CLIENT_PORT) = bpf_get_prandom_u32();
	return 1;
}

SEC("xdp")
int to_nobody(struct xdp_md *context)
{
	return vary(context) ? XDP_DROP : XDP_ABORTED;
}

SEC("xdp")
int to_stack(struct xdp_md *context)
{
	return vary(context) ? XDP_PASS : XDP_ABORTED;
}

SEC("xdp")
int to_filter(struct xdp_md *context)
{
	return vary(context) ? filter(context) : XDP_ABORTED;
}
