import koffi from "koffi";
import { MusterError } from "../model/errors.ts";

/**
 * Sockets that Node does not have (netlink, packets, raw ICMPv6), without blocking: the kernel's
 * own calls, and Node's loop to be told when there is something to read.
 */

export const Family = { ipv6: 10, netlink: 16, packet: 17 } as const;
export const SocketType = { datagram: 2, raw: 3 } as const;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
/** Messages that are read before other work of the loop has its turn. */
const MESSAGES_AT_ONCE = 64;
const MESSAGE_BYTES_MAX = 64 * 1024;

const ERRNO: Readonly<Record<number, string>> = Object.fromEntries(Object.entries(koffi.os.errno).map(([name, number]) => [number, name]));

/** `EPERM` and the like. */
export function errorName(errno: number): string {
  return ERRNO[errno] ?? `error ${errno}`;
}

/** A call of the kernel failed. */
export class SystemCallError extends Error {
  override readonly name = "SystemCallError";
  /** `EPERM` and the like. */
  readonly code: string;

  constructor(call: string, errno: number) {
    const code = errorName(errno);
    super(`${call}: ${code}`);
    this.code = code;
  }
}

interface Call {
  (...values: unknown[]): number;
  /** The same in one of koffi's threads. */
  readonly async: (...values: unknown[]) => void;
}

interface Calls {
  readonly socket: Call;
  readonly bind: Call;
  readonly setsockopt: Call;
  readonly sendto: Call;
  readonly recv: Call;
  readonly close: Call;
  readonly if_nametoindex: Call;
}

let calls: Calls | null = null;

function kernel(): Calls {
  if (calls !== null) return calls;
  const libc = koffi.load("libc.so.6");
  const call = (declaration: string): Call => libc.func(declaration) as unknown as Call;
  calls = {
    socket: call("int socket(int family, int type, int protocol)"),
    bind: call("int bind(int descriptor, const void *address, uint32_t bytes)"),
    setsockopt: call("int setsockopt(int descriptor, int level, int name, const void *value, uint32_t bytes)"),
    sendto: call("intptr_t sendto(int descriptor, const void *data, size_t bytes, int flags, const void *address, uint32_t addressBytes)"),
    recv: call("intptr_t recv(int descriptor, _Out_ uint8_t *data, size_t bytes, int flags)"),
    close: call("int close(int descriptor)"),
    if_nametoindex: call("unsigned int if_nametoindex(const char *name)"),
  };
  return calls;
}

/** The kernel's number of an adapter. @throws MusterError when there is none of that name */
export function adapterIndex(name: string): number {
  const index = kernel().if_nametoindex(name);
  if (index === 0) throw new MusterError("MUSTER_ADDRESS_LOST", { address: "An address", problem: `the adapter ${name} is gone` });
  return index;
}

/** A socket that calls back. It must be closed before its thread ends. */
export class KernelSocket {
  readonly #descriptor: number;
  readonly #buffer = Buffer.alloc(MESSAGE_BYTES_MAX);
  #poll: ReturnType<typeof koffi.node.poll> | null = null;
  #isClosed = false;

  /** @throws SystemCallError */
  constructor(family: number, type: number, protocol: number) {
    this.#descriptor = kernel().socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    if (this.#descriptor < 0) throw new SystemCallError("socket", koffi.errno());
  }

  /** @param address as the kernel lays it out @throws SystemCallError */
  bind(address: Uint8Array): void {
    if (kernel().bind(this.#descriptor, address, address.length) !== 0) throw new SystemCallError("bind", koffi.errno());
  }

  /** @throws SystemCallError */
  setOption(level: number, name: number, value: Uint8Array): void {
    if (kernel().setsockopt(this.#descriptor, level, name, value, value.length) !== 0) throw new SystemCallError("setsockopt", koffi.errno());
  }

  /** @param address of the receiver; none = the kernel itself @throws SystemCallError, also when the kernel has no room at the moment */
  send(data: Uint8Array, address: Uint8Array = new Uint8Array(0)): void {
    const sent = kernel().sendto(this.#descriptor, data, data.length, 0, address.length === 0 ? null : address, address.length);
    if (sent < 0) throw new SystemCallError("send", koffi.errno());
  }

  /**
   * @param onMessage one message; its bytes are used again when it returns
   * @param onError ENOBUFS: messages were lost; the socket goes on. Others: it is of no use any more
   */
  listen(onMessage: (bytes: Buffer) => void, onError: (error: SystemCallError) => void): void {
    // An exception that leaves a callback of C would end the process.
    const round = (): void => {
      try {
        this.#read(onMessage, onError);
      } catch (error) {
        setImmediate(() => {
          throw error;
        });
      }
    };
    this.#poll = koffi.node.poll(this.#descriptor, { readable: true }, round);
    // What waits for it keeps the process alive; a watch alone does not.
    this.#poll.unref();
  }

  /** For who asks and is answered at once: null = there is nothing (more). The bytes are used again. @throws SystemCallError */
  receive(): Buffer | null {
    const bytes = kernel().recv(this.#descriptor, this.#buffer, this.#buffer.length, 0);
    if (bytes >= 0) return this.#buffer.subarray(0, bytes);
    const error = new SystemCallError("receive", koffi.errno());
    if (error.code === "EAGAIN" || error.code === "EWOULDBLOCK" || error.code === "EINTR") return null;
    throw error;
  }

  #read(onMessage: (bytes: Buffer) => void, onError: (error: SystemCallError) => void): void {
    for (let count = 0; count < MESSAGES_AT_ONCE && !this.#isClosed; count++) {
      let message: Buffer | null;
      try {
        message = this.receive();
      } catch (error) {
        if (!(error instanceof SystemCallError)) throw error;
        return onError(error);
      }
      if (message === null) return;
      onMessage(message);
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#poll?.close();
    kernel().close(this.#descriptor);
  }

  /**
   * Closes it in a thread of its own: for a packet socket the kernel takes some 15 ms, until no processor uses it any
   * more. Nothing is called back from now on.
   */
  closeAside(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#poll?.close();
    kernel().close.async(this.#descriptor, () => undefined);
  }
}
