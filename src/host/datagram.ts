import koffi from "koffi";

/** A Unix datagram socket, which Node does not have: through the C library. */
export interface Datagram {
  /** Sends at once or not at all: nobody waits for who does not read. */
  send(text: string): void;
}

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
/** Of `sun_path`. */
const PATH_BYTES_MAX = 108;

/**
 * @param path of the socket it sends to; an abstract one begins with "@"
 * @throws Error when the C library cannot be loaded, the path is too long, or there are no more descriptors
 */
export function openDatagram(path: string): Datagram {
  const address = addressOf(path);
  const library = koffi.load("libc.so.6");
  const socket = library.func("int socket(int domain, int type, int protocol)") as (domain: number, type: number, protocol: number) => number;
  const sendto = library.func("intptr_t sendto(int fd, const void *data, size_t length, int flags, const void *address, uint32_t addressLength)") as (fd: number, data: Buffer, length: number, flags: number, address: Buffer, addressLength: number) => number;
  const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw new Error(`no datagram socket can be made (errno ${koffi.errno()})`);
  return {
    send(text) {
      const data = Buffer.from(text);
      // Whoever listens may be gone or behind; the next message says what this one did not.
      sendto(fd, data, data.length, MSG_DONTWAIT | MSG_NOSIGNAL, address, address.length);
    },
  };
}

/** `struct sockaddr_un`, as long as it must be: an abstract name ends where the address ends. */
function addressOf(path: string): Buffer {
  const isAbstract = path.startsWith("@");
  const name = Buffer.from(isAbstract ? `\0${path.slice(1)}` : `${path}\0`);
  if (name.length > PATH_BYTES_MAX) throw new Error(`${path} is too long for a socket`);
  const family = Buffer.alloc(2);
  // Every processor that Muster runs on is little-endian.
  family.writeUInt16LE(AF_UNIX);
  return Buffer.concat([family, name]);
}
