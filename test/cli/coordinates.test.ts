import { expect, test } from 'vitest'
import { checkProject, chooseCoordinates } from '../../src/cli/coordinates.ts'
import { type EmbeddedProject, readEmbeddedProjects } from '../../src/cli/jar.ts'
import { aether, descriptor, temporaryDirectory, writeJar } from './fixture.ts'

const app = project('org.acme', 'app', '1.0')
const library = project('org.acme', 'lib', '2.0')
const application = project('org.acme', 'app-server', '3.0')

test.each<[string, EmbeddedProject[], object, string]>([
  ['app-1.0.jar', [app], {}, 'org.acme:app:1.0'],
  ['renamed.jar', [app], {}, 'org.acme:app:1.0'],
  ['app-1.0-sources.jar', [app], {}, 'org.acme:app:jar:sources:1.0'],
  ['app-1.0-sources.jar', [app], { classifier: 'src' }, 'org.acme:app:jar:src:1.0'],
  ['app.war', [app], {}, 'org.acme:app:war:1.0'],
  ['app-1.0.jar', [library, app], {}, 'org.acme:app:1.0'],
  ['app.jar', [library, app], {}, 'org.acme:app:1.0'],
  ['app-1.0-all.jar', [library, app, application], {}, 'org.acme:app:jar:all:1.0'],
  ['app-server-3.0.jar', [library, app, application], {}, 'org.acme:app-server:3.0'],
  ['x.jar', [library, app], { artifact: 'lib' }, 'org.acme:lib:2.0'],
  ['x.jar', [], { group: 'g', artifact: 'a', version: '9' }, 'g:a:9'],
  ['x.jar', [app, library], { group: 'g', artifact: 'a', version: '9' }, 'g:a:9'],
  ['x.tar.gz', [], { group: 'g', artifact: 'a', version: '9' }, 'g:a:tar.gz:9'],
])('%s (case %#) becomes what its project and the flags say', (file, projects, flags, expected) => {
  const target = chooseCoordinates(file, projects, flags)
  if (!target.ok) throw new Error(target.error.message)
  const { groupId, artifactId, version, extension, classifier } = target.value.coordinates
  const parts = [groupId, artifactId, extension, classifier, version].filter(Boolean).join(':')
  expect(parts.replace(/^([^:]+:[^:]+):jar:([^:]+)$/, '$1:$2')).toBe(expected)
})

test.each<[string, EmbeddedProject[], object, RegExp]>([
  ['x.jar', [], {}, /no complete pom\.properties.*--group, --artifact, --version/],
  ['x.jar', [], { group: 'g' }, /Add --artifact, --version/],
  ['x.jar', [project('g', 'a', undefined)], {}, /Add --version/],
  ['x.jar', [app, library], {}, /2 Maven projects.*org\.acme:app, org\.acme:lib/],
  ['noextension', [app], {}, /no extension/],
  ['x.jar', [app], { version: '../1' }, /./],
])('%s (case %#) needs flags', (file, projects, flags, message) => {
  const target = chooseCoordinates(file, projects, flags)
  if (target.ok) throw new Error('it was accepted')
  expect(target.error.kind).toBe('bad-usage')
  expect(`${target.error.message} ${target.error.next}`).toMatch(message)
})

test('a POM of another version or artifact is refused', () => {
  const coordinates = { groupId: 'org.acme', artifactId: 'app', version: '1.1', extension: 'jar' }
  expect(checkProject({ coordinates, project: app }, {})).toMatchObject({ ok: false })
  expect(checkProject({ coordinates, project: undefined }, { pom: 'pom.xml' })).toMatchObject({
    ok: false,
  })
  expect(checkProject({ coordinates, project: undefined }, {})).toMatchObject({ ok: true })
})

test('reads every project of a jar, whatever the form of its properties', async () => {
  const jar = await writeJar(temporaryDirectory(), 'a.jar', {
    'META-INF/MANIFEST.MF': 'Manifest-Version: 1.0\n',
    ...descriptor('org.acme', 'app', '1.0'),
    'META-INF/maven/g/b/pom.properties':
      '! comment\r\n groupId = g\r\nartifactId: b\r\nversion:2\r\n',
    'META-INF/maven/g/c/pom.xml': '<project/>',
    'BOOT-INF/META-INF/maven/g/d/pom.properties': 'version=3',
  })
  const projects = await readEmbeddedProjects(jar)
  expect(projects).toMatchObject({
    ok: true,
    value: [
      { groupId: 'org.acme', artifactId: 'app', version: '1.0', pom: expect.any(Uint8Array) },
      { groupId: 'g', artifactId: 'b', version: '2', pom: undefined },
    ],
  })
})

test('an archive that would unpack to too much is refused before it is unpacked', async () => {
  const jar = await writeJar(temporaryDirectory(), 'a.jar', {
    'META-INF/maven/g/a/pom.properties': Buffer.alloc(50_000_000),
  })
  const ran = await aether(['deploy', jar])
  expect(ran.exitCode).toBe(1)
  expect(ran.stderr).toMatch(/pom\.properties has 50000000 bytes, 65536 at most/)
})

function project(
  groupId: string,
  artifactId: string,
  version: string | undefined,
): EmbeddedProject {
  return { groupId, artifactId, version, pom: undefined }
}
