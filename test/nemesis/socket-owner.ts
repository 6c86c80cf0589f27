import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/**
 * Whether process `pid` has the connection of loopback from port `from` to port `to`: of several nodes on one machine, this
 * tells which one dials, whatever it says and also before it says anything.
 */
export function ownsConnection(pid: number, from: number, to: number): boolean {
  const inode = inodeOf(from, to)
  return inode !== undefined && hasSocket(pid, inode)
}

/** The inode of the socket on this side of the connection, from the kernel's table of TCP sockets. */
function inodeOf(from: number, to: number): string | undefined {
  const ends = ` ${loopback(from)} ${loopback(to)} `
  const line = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .find((each) => each.includes(ends))
  return line?.trim().split(/\s+/)[9]
}

function hasSocket(pid: number, inode: string): boolean {
  const directory = `/proc/${pid}/fd`
  try {
    return readdirSync(directory).some((fd) => linkOf(`${directory}/${fd}`) === `socket:[${inode}]`)
  } catch {
    // The process has just ended.
    return false
  }
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}

/** 127.0.0.1 and a port as the kernel writes them on a little-endian machine, which all that Node runs on are. */
function loopback(port: number): string {
  return `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
}
