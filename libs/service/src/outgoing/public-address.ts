import ipaddr from 'ipaddr.js';

/** What the Internet routes to hosts; all other addresses are reserved, local or not given out. @source RFC 4291, section 2.4; IANA */
const GLOBAL_UNICAST = ipaddr.parseCIDR('2000::/3');
/** The prefix of NAT64 that everybody has; where a local one keeps the IPv4 address only its network knows. @source RFC 6052, RFC 8215 */
const NAT64 = ipaddr.parseCIDR('64:ff9b::/96');

type Address = ReturnType<typeof ipaddr.parse>;

const ipv4In = (address: Address, at: number): Address => ipaddr.fromByteArray(address.toByteArray().slice(at, at + 4));

/**
 * The IPv4 address that an IPv6 address leads to.
 *
 * @source RFC 4291 (mapped), RFC 3056 (6to4: bits 16 to 47), RFC 6052 (NAT64) and RFC 2765 (translated): the last 32 bits
 */
const unwrapped = (address: Address): Address => {
  switch (address.range()) {
    case 'ipv4Mapped':
    case 'rfc6145':
      return ipv4In(address, 12);
    case 'rfc6052':
      return address.match(NAT64) ? ipv4In(address, 12) : address;
    case '6to4':
      return ipv4In(address, 2);
    default:
      return address;
  }
};

/** Whether an address, as text, is one of a host on the Internet: no private, local, shared, reserved or multicast one. */
export const isPublicAddress = (text: string): boolean => {
  if (!ipaddr.isValid(text)) return false;
  const address = unwrapped(ipaddr.parse(text));
  return address.range() === 'unicast' && (address.kind() === 'ipv4' || address.match(GLOBAL_UNICAST));
};
