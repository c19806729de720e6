import { describe, expect, it } from 'vitest';
import { isPublicAddress } from './public-address.js';

describe('an address', () => {
  it.each(['8.8.8.8', '93.184.216.34', '2606:2800:220:1::1', '::ffff:8.8.8.8', '2002:808:808::1', '64:ff9b::8.8.8.8'])(
    '%s is public',
    (address) => {
      expect(isPublicAddress(address)).toBe(true);
    },
  );

  it.each([
    ...['127.0.0.1', '127.255.255.254', '0.0.0.0', '10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1'],
    ...['169.254.169.254', '100.64.0.1', '192.0.0.8', '192.0.2.1', '198.18.0.1', '198.51.100.1', '203.0.113.1'],
    ...['224.0.0.1', '240.0.0.1', '255.255.255.255'],
    ...[
      '::',
      '::1',
      'fe80::1',
      'fe80::1%eth0',
      'fc00::1',
      'fd12:3456::1',
      'ff02::1',
      '2001:db8::1',
      '100::1',
      '4000::1',
    ],
    // IPv4 inside IPv6: mapped, translated, compatible, 6to4, NAT64 with the well-known and a local prefix, Teredo.
    ...['::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:a9fe:a9fe', '::ffff:0:10.0.0.1', '::127.0.0.1'],
    ...['2002:7f00:1::', '2002:a9fe:a9fe::1', '64:ff9b::10.0.0.1', '64:ff9b::7f00:1', '64:ff9b:1::8.8.8.8', '2001::1'],
    ...['', 'localhost', '127.1', '2130706433', '0x7f.1', '8.8.8.8:80'],
  ])('%s is not', (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });
});
