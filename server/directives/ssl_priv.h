// SPDX-License-Identifier: Apache-2.0
//
// Setters of the ssl_ table that have a file of their own.
#pragma once

#include "server/directives/directives.h"

conf_setter set_session_cache, set_certificate_cache;
