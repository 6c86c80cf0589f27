export { type Member, type MembershipSnapshot, VOTERS_MAX } from './members.ts'
