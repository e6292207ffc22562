DROP INDEX "bindings_owned_once";--> statement-breakpoint
DROP INDEX "bindings_once";--> statement-breakpoint
CREATE UNIQUE INDEX "bindings_owned_once" ON "bindings" USING btree ("connection","kind","resource") WHERE "bindings"."mode" = 'owns';--> statement-breakpoint
CREATE UNIQUE INDEX "bindings_once" ON "bindings" USING btree ("environment","connection","kind","resource");