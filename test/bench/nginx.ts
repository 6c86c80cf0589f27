import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../fixture/port.ts'
import { PinnedProcess, SERVER_CORE } from './process.ts'
import { emptyFiles, type Server, untilReady } from './server.ts'

export type NginxOptions = {
  /** An existing directory for all that nginx writes. */
  readonly directory: string
  readonly accessLog: boolean
}

/** Serves static files, and takes PUT by WebDAV, as Debian configures it: sendfile, one worker. */
export async function startNginx({ directory, accessLog }: NginxOptions): Promise<Server> {
  const port = await freePort()
  const root = join(directory, 'root')
  mkdirSync(root)
  writeFileSync(join(root, 'ready'), 'ready\n')
  const path = join(directory, 'nginx.conf')
  writeFileSync(path, configuration(directory, root, port, accessLog))
  const program = new PinnedProcess(['nginx', '-p', directory, '-c', path, '-e', 'error.log'], {
    core: SERVER_CORE,
  })
  const origin = `http://127.0.0.1:${port}`
  await untilReady(`${origin}/ready`, program)
  return {
    name: 'nginx',
    origin,
    process: program,
    discard: (path) => emptyFiles(join(root, path)),
    stop: () => program.stop(),
  }
}

export function nginxVersion(): string {
  // nginx prints its version on stderr.
  return execFileSync('sh', ['-c', 'nginx -v 2>&1'], { encoding: 'utf8' })
    .trim()
    .replace(/^.*\//, '')
}

function configuration(directory: string, root: string, port: number, accessLog: boolean): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `  ${kind}_temp_path ${directory}/${kind};`,
  )
  return `
${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off;
worker_processes 1;
pid ${directory}/nginx.pid;
error_log ${directory}/error.log;
events { worker_connections 1024; }
http {
${temporary.join('\n')}
  access_log ${accessLog ? `${directory}/access.log combined` : 'off'};
  types { text/xml xml pom; application/java-archive jar; }
  default_type application/octet-stream;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 75;
  keepalive_requests 1000000000;
  client_max_body_size 0;
  server {
    listen 127.0.0.1:${port};
    root ${root};
    dav_methods PUT;
    create_full_put_path on;
  }
}
`
}
