CREATE TABLE "approval_votes" (
	"approval" text NOT NULL,
	"operator" text NOT NULL,
	"vote" text NOT NULL,
	"proof" jsonb,
	"at" timestamp with time zone NOT NULL,
	CONSTRAINT "approval_votes_approval_operator_pk" PRIMARY KEY("approval","operator")
);
--> statement-breakpoint
CREATE TABLE "approvals" (
	"id" text PRIMARY KEY NOT NULL,
	"state" text NOT NULL,
	"agent" text NOT NULL,
	"environment" text NOT NULL,
	"connection" text NOT NULL,
	"operation" text NOT NULL,
	"effect" text NOT NULL,
	"digest" text NOT NULL,
	"capability" jsonb NOT NULL,
	"request" text NOT NULL,
	"reason" text,
	"call" text NOT NULL,
	"deferred" boolean NOT NULL,
	"shown" jsonb NOT NULL,
	"approvers" integer NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"decided_at" timestamp with time zone,
	"because" text,
	"used_at" timestamp with time zone,
	"used_by" text,
	"outcome" text
);
--> statement-breakpoint
CREATE TABLE "challenges" (
	"challenge" text PRIMARY KEY NOT NULL,
	"purpose" text NOT NULL,
	"operator" text,
	"facts" jsonb NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "changes" (
	"id" text PRIMARY KEY NOT NULL,
	"state" text NOT NULL,
	"action" text NOT NULL,
	"params" text NOT NULL,
	"proposed_by" text NOT NULL,
	"version" bigint NOT NULL,
	"diff" jsonb NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"decided_at" timestamp with time zone,
	"decided_by" text,
	"because" text
);
--> statement-breakpoint
CREATE TABLE "freezes" (
	"id" text PRIMARY KEY NOT NULL,
	"subject" text NOT NULL,
	"reason" text,
	"created_by" text NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"lifted_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "passkeys" (
	"id" text PRIMARY KEY NOT NULL,
	"operator" text NOT NULL,
	"name" text NOT NULL,
	"public_key" text NOT NULL,
	"counter" bigint NOT NULL,
	"transports" jsonb NOT NULL,
	"recovery" boolean NOT NULL,
	"usable_from" timestamp with time zone NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"last_used_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "recovery_codes" (
	"id" text PRIMARY KEY NOT NULL,
	"operator" text NOT NULL,
	"hash" text NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"used_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "sign_ins" (
	"id" text PRIMARY KEY NOT NULL,
	"user_code" text NOT NULL,
	"address" text NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"operator" text,
	"confirmed_at" timestamp with time zone,
	CONSTRAINT "sign_ins_user_code_unique" UNIQUE("user_code")
);
--> statement-breakpoint
ALTER TABLE "operators" ALTER COLUMN "passphrase" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "enrolments" ADD COLUMN "operator" text;--> statement-breakpoint
ALTER TABLE "enrolments" ADD COLUMN "passkey_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "policy" ADD COLUMN "guarded" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "scopes" ADD COLUMN "approve" jsonb DEFAULT '[]'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "scopes" ADD COLUMN "approvers" integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "sessions" ADD COLUMN "kind" text DEFAULT 'cli' NOT NULL;--> statement-breakpoint
ALTER TABLE "sessions" ADD COLUMN "passkey" text;--> statement-breakpoint
ALTER TABLE "approval_votes" ADD CONSTRAINT "approval_votes_approval_approvals_id_fk" FOREIGN KEY ("approval") REFERENCES "public"."approvals"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "passkeys" ADD CONSTRAINT "passkeys_operator_operators_name_fk" FOREIGN KEY ("operator") REFERENCES "public"."operators"("name") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "recovery_codes" ADD CONSTRAINT "recovery_codes_operator_operators_name_fk" FOREIGN KEY ("operator") REFERENCES "public"."operators"("name") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sign_ins" ADD CONSTRAINT "sign_ins_operator_operators_name_fk" FOREIGN KEY ("operator") REFERENCES "public"."operators"("name") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "approvals_once" ON "approvals" USING btree ("agent","digest") WHERE "approvals"."state" in ('pending', 'approved');--> statement-breakpoint
CREATE INDEX "approvals_state" ON "approvals" USING btree ("state","created_at");--> statement-breakpoint
CREATE INDEX "approvals_agent" ON "approvals" USING btree ("agent","created_at");--> statement-breakpoint
CREATE INDEX "changes_state" ON "changes" USING btree ("state","created_at");--> statement-breakpoint
CREATE UNIQUE INDEX "freezes_once" ON "freezes" USING btree ("subject") WHERE "freezes"."lifted_at" is null;--> statement-breakpoint
CREATE INDEX "passkeys_operator" ON "passkeys" USING btree ("operator");--> statement-breakpoint
CREATE INDEX "recovery_codes_operator" ON "recovery_codes" USING btree ("operator");--> statement-breakpoint
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_passkey_passkeys_id_fk" FOREIGN KEY ("passkey") REFERENCES "public"."passkeys"("id") ON DELETE cascade ON UPDATE no action;